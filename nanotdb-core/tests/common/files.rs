//! Directories: the original's, copies of them, and whether anything in one changed. `nanotdb-cli` and `nanotdb-server`
//! use it, too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The data directories of the original.
pub fn golden() -> PathBuf {
    // From whichever crate includes this file.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../nanotdb-core/tests/golden")
}

/// Cases of the original: raw files, a WAL, metric files.
pub fn golden_cases() -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(golden())
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("expected.tsv").exists())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert!(names.len() >= 16, "{names:?}");
    names
}

/// Copies a directory with everything in it. The copy is writable, whatever the original is.
pub fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::write(target, std::fs::read(entry.path()).unwrap()).unwrap();
        }
    }
}

/// Every file below `dir` with its content: equal before and after means that nothing was written.
pub fn snapshot(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.insert(path.clone(), Vec::new());
            files.extend(snapshot(&path));
        } else {
            files.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    files
}
