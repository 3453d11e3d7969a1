//! Files: the file system the engine sees, and each kind of file it keeps.

pub mod vfs;
