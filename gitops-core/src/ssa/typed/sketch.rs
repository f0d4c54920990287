//! A tree under construction that borrows all it did not change.

use crate::value::{Builder, Value, ValueRef};

pub(super) enum Sketch<'a> {
    /// Unchanged.
    Ref(ValueRef<'a>),
    List(Vec<Self>),
    Map(Vec<(&'a str, Self)>),
}

impl Sketch<'_> {
    /// Whether this is `value` itself.
    pub(super) fn is(&self, value: ValueRef<'_>) -> bool {
        matches!(self, Self::Ref(unchanged) if unchanged.same_node(value))
    }

    /// Packs the tree; `bytes` is about how large it will be.
    pub(super) fn freeze(&self, bytes: usize) -> Value {
        let mut builder = Builder::with_capacity(bytes);
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
