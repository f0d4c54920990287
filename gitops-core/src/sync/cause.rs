//! Why an operation failed, as far as it matters for trying again.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Why an operation failed, as far as it matters for trying again. What takes longer to pass stands later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Cause {
    /// Something that passes by itself: a server that is away or busy, an object that changed meanwhile.
    #[default]
    Passing,
    /// Something that did not become healthy, or did not go, in time.
    Unhealthy,
    /// The server said no: it is not valid, not allowed, or somebody else's.
    Refused,
    /// A hook failed.
    Hook,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passing => "passes by itself",
            Self::Unhealthy => "not healthy in time",
            Self::Refused => "refused",
            Self::Hook => "a hook failed",
        })
    }
}
