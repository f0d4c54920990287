//! Field-by-field comparison of two trees.
