//! Per-object options, read from annotations.

use crate::problem::Problem;
use crate::resource::Resource;

use super::Options;

/// Reads the options of one object. What cannot be read is a problem that holds the object back.
#[must_use]
pub fn options(resource: &Resource) -> (Options, Vec<Problem>) {
    let _ = resource;
    (Options::default(), Vec::new())
}
