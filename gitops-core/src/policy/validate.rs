//! Whether what is to be written is tried by dry runs first.

use serde::{Deserialize, Serialize};

/// Whether what is to be written is tried by dry runs first, so that a refusal is known before anything else is written.
/// Rule 33 of the exact rules.
///
/// Never is the default: one object that is refused then holds back itself and what must follow it, and all else goes on,
/// also where drift of others is healed. To try costs one more call for each object that is created; for what differs the
/// comparison has asked already, and its answer is taken. See `docs/decisions/validation.md`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_enums, reason = "all there is")]
pub enum Validate {
    /// It is not: the write itself tells.
    #[default]
    Never,
    /// Wave by wave: nothing of a wave is written if any object of it would be refused. What lives in a namespace, or is
    /// of a kind, that the wave itself makes is tried once that is there.
    Layers,
    /// All that can be is tried before the first write of the operation, and nothing is written at all if any object
    /// would be refused. What lives in a namespace, or is of a kind, that the operation itself makes is tried as for
    /// [`Self::Layers`]. Rule: the dry run before each sync of Argo CD and Flux.
    UpFront,
}
