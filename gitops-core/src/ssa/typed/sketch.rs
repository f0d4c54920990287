//! A tree under construction that borrows all it did not change.

use crate::value::{Builder, Value, ValueRef};

pub(super) enum Sketch<'a> {
    /// Unchanged.
    Ref(ValueRef<'a>),
    List(Vec<Self>),
    Map(Vec<(&'a str, Self)>),
}

impl Sketch<'_> {
    pub(super) fn freeze(&self) -> Value {
        let mut builder = Builder::new();
        self.feed(&mut builder);
        // One well-formed tree; only more than 4 GiB of text can fail.
        builder.finish().unwrap_or_else(|_| Value::null())
    }

    fn feed(&self, builder: &mut Builder) {
        match self {
            Self::Ref(value) => builder.value(*value),
            Self::List(items) => {
                builder.start_list();
                items.iter().for_each(|item| item.feed(builder));
                builder.end();
            }
            Self::Map(entries) => {
                builder.start_map();
                for (key, value) in entries {
                    builder.key(key);
                    value.feed(builder);
                }
                builder.end();
            }
        }
    }
}
