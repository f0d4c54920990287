//! What an application leaves alone.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::policy::ignore::{InvalidRule, Rules};
use crate::value::{Value, ValueRef};

/// Rules of what is left alone, as they are written: Argo CD's `ignoreDifferences`, our own form, or Flux's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IgnoreDifferences {
    written: Option<Value>,
    rules: Rules,
}

impl IgnoreDifferences {
    /// Reads a list of rules.
    ///
    /// # Errors
    /// When it is no list, or a rule of it cannot be read.
    pub fn read(list: ValueRef<'_>) -> Result<Self, InvalidRule> {
        if !list.is_null() && list.as_list().is_none() {
            let what = format!("a list of rules is expected, not a {}", list.kind_name());
            return Err(InvalidRule { rule: 1, what });
        }
        let rules = Rules::read(list)?;
        Ok(Self { written: list.as_list().is_some_and(|list| !list.is_empty()).then(|| list.to_value()), rules })
    }

    /// Returns the rules.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Returns whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.written.is_none()
    }
}

impl Serialize for IgnoreDifferences {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.written {
            Some(list) => list.serialize(serializer),
            None => serializer.collect_seq(std::iter::empty::<()>()),
        }
    }
}

impl<'de> Deserialize<'de> for IgnoreDifferences {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Value::deserialize(deserializer)?;
        Self::read(written.root()).map_err(D::Error::custom)
    }
}
