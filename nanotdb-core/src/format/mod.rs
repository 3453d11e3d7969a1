//! Byte layouts: pure functions over slices.
