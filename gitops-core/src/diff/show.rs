//! Values that may be shown.
