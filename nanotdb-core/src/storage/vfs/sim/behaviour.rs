//! What every file system must do: each case runs on the real one and on the simulation.

use super::SimVfs;
use crate::storage::vfs::{OpenMode, RealVfs, Vfs};
use std::io::ErrorKind;
use std::path::Path;

/// Runs each function on both file systems, with an empty directory to work in.
macro_rules! on_both {
    ($($case:ident),* $(,)?) => {
        mod real {
            $(#[test]
            fn $case() {
                let dir = tempfile::tempdir().unwrap();
                super::$case(&super::RealVfs, dir.path());
            })*
        }
        mod simulated {
            $(#[test]
            fn $case() {
                let vfs = super::SimVfs::new(1);
                super::Vfs::create_dir_all(&vfs, "/some/dir".as_ref()).unwrap();
                super::$case(&vfs, "/some/dir".as_ref());
                assert_eq!(vfs.open_handles(), Vec::<std::path::PathBuf>::new(), "no handle leaks");
            })*
        }
    };
}

on_both!(
    open_modes,
    a_read_handle_cannot_write,
    reads_stop_at_the_end,
    writes_past_the_end_leave_zeros,
    set_len_cuts_and_extends_with_zeros,
    handles_of_one_file_see_each_other,
    rename_replaces,
    rename_moves_between_directories,
    rename_refuses_what_makes_no_sense,
    rename_to_itself_changes_nothing,
    an_open_file_outlives_its_name,
    removal,
    directories,
    listings_are_sorted,
    entries,
    paths_through_a_file,
    a_lock_excludes_and_ends,
    replace_and_read,
    read_has_a_limit,
    an_impossible_offset_is_an_error,
    a_second_name,
    ids_follow_the_file_and_not_the_name,
);

fn put(vfs: &dyn Vfs, path: &Path, content: &[u8]) {
    vfs.open(path, OpenMode::Truncate).unwrap().write_all_at(content, 0).unwrap();
}

fn get(vfs: &dyn Vfs, path: &Path) -> Vec<u8> {
    vfs.read(path, 1 << 20).unwrap()
}

#[track_caller]
fn fails<T>(result: std::io::Result<T>, kind: ErrorKind) {
    match result {
        Ok(_) => panic!("succeeded; expected {kind:?}"),
        Err(e) => assert_eq!(e.kind(), kind, "{e}"),
    }
}

fn open_modes(vfs: &dyn Vfs, dir: &Path) {
    let path = dir.join("f");
    fails(vfs.open(&path, OpenMode::Read), ErrorKind::NotFound);
    fails(vfs.open(&path, OpenMode::Write), ErrorKind::NotFound);
    let file = vfs.open(&path, OpenMode::CreateNew).unwrap();
    assert!(file.is_empty().unwrap());
    file.write_all_at(b"content", 0).unwrap();
    fails(vfs.open(&path, OpenMode::CreateNew), ErrorKind::AlreadyExists);
    for mode in [OpenMode::Read, OpenMode::Write, OpenMode::Create] {
        assert_eq!(vfs.open(&path, mode).unwrap().len().unwrap(), 7, "{mode:?} keeps the content");
    }
    assert_eq!(vfs.open(&path, OpenMode::Truncate).unwrap().len().unwrap(), 0);
    assert_eq!(file.len().unwrap(), 0, "the older handle sees it");
    for (mode, name) in [(OpenMode::Create, "g"), (OpenMode::Truncate, "h")] {
        vfs.open(&dir.join(name), mode).unwrap();
        assert_eq!(get(vfs, &dir.join(name)), b"", "{mode:?} makes a missing file");
    }
    fails(vfs.open(&dir.join("missing/f"), OpenMode::Create), ErrorKind::NotFound);
    fails(vfs.open(dir, OpenMode::Write), ErrorKind::IsADirectory);
}

fn a_read_handle_cannot_write(vfs: &dyn Vfs, dir: &Path) {
    let path = dir.join("f");
    put(vfs, &path, b"content");
    let file = vfs.open(&path, OpenMode::Read).unwrap();
    assert!(file.write_all_at(b"x", 0).is_err());
    assert!(file.set_len(0).is_err());
    assert_eq!(get(vfs, &path), b"content");
}

fn reads_stop_at_the_end(vfs: &dyn Vfs, dir: &Path) {
    put(vfs, &dir.join("f"), b"12345");
    let file = vfs.open(&dir.join("f"), OpenMode::Read).unwrap();
    let mut buf = [0; 4];
    assert_eq!(file.read_at(&mut buf, 3).unwrap(), 2);
    assert_eq!(&buf[..2], b"45");
    assert_eq!(file.read_at(&mut buf, 5).unwrap(), 0);
    assert_eq!(file.read_at(&mut buf, 1 << 40).unwrap(), 0);
    fails(file.read_exact_at(&mut buf, 3), ErrorKind::UnexpectedEof);
    file.read_exact_at(&mut buf, 1).unwrap();
    assert_eq!(&buf, b"2345");
}

fn writes_past_the_end_leave_zeros(vfs: &dyn Vfs, dir: &Path) {
    let file = vfs.open(&dir.join("f"), OpenMode::Create).unwrap();
    file.write_all_at(b"a", 0).unwrap();
    file.write_all_at(b"b", 9_000).unwrap();
    file.write_all_at(b"", 20_000).unwrap();
    let mut expected = vec![0; 9_001];
    (expected[0], expected[9_000]) = (b'a', b'b');
    assert_eq!(get(vfs, &dir.join("f")), expected);
}

fn set_len_cuts_and_extends_with_zeros(vfs: &dyn Vfs, dir: &Path) {
    let file = vfs.open(&dir.join("f"), OpenMode::Create).unwrap();
    file.write_all_at(&[7; 5_000], 0).unwrap();
    file.set_len(4_500).unwrap();
    assert_eq!(file.len().unwrap(), 4_500);
    file.set_len(5_000).unwrap();
    file.sync().unwrap();
    assert_eq!(get(vfs, &dir.join("f")), [vec![7; 4_500], vec![0; 500]].concat(), "the cut bytes do not come back");
}

fn handles_of_one_file_see_each_other(vfs: &dyn Vfs, dir: &Path) {
    let writer = vfs.open(&dir.join("f"), OpenMode::Create).unwrap();
    let reader = vfs.open(&dir.join("f"), OpenMode::Read).unwrap();
    writer.write_all_at(b"seen before any sync", 0).unwrap();
    let mut buf = [0; 4];
    assert_eq!(reader.read_at(&mut buf, 0).unwrap(), 4);
    assert_eq!(&buf, b"seen");
}

fn rename_replaces(vfs: &dyn Vfs, dir: &Path) {
    let (from, to) = (dir.join("from"), dir.join("to"));
    put(vfs, &from, b"new");
    put(vfs, &to, b"old");
    let (old, new) = (vfs.open(&to, OpenMode::Read).unwrap(), vfs.open(&from, OpenMode::Write).unwrap());
    vfs.rename(&from, &to).unwrap();
    assert_eq!(get(vfs, &to), b"new");
    assert!(vfs.entry(&from).unwrap().is_none());
    let mut buf = [0; 3];
    old.read_exact_at(&mut buf, 0).unwrap();
    assert_eq!(&buf, b"old", "an open handle stays with its file");
    new.write_all_at(b"N", 0).unwrap();
    assert_eq!(get(vfs, &to), b"New");
}

fn rename_moves_between_directories(vfs: &dyn Vfs, dir: &Path) {
    vfs.create_dir_all(&dir.join("a/inner")).unwrap();
    vfs.create_dir_all(&dir.join("b/empty")).unwrap();
    put(vfs, &dir.join("a/inner/f"), b"1");
    vfs.rename(&dir.join("a/inner"), &dir.join("b/empty")).unwrap();
    assert_eq!(get(vfs, &dir.join("b/empty/f")), b"1", "a directory moves with what is in it");
    assert!(vfs.read_dir(&dir.join("a")).unwrap().is_empty());
}

fn rename_refuses_what_makes_no_sense(vfs: &dyn Vfs, dir: &Path) {
    vfs.create_dir_all(&dir.join("a/inner")).unwrap();
    vfs.create_dir_all(&dir.join("b")).unwrap();
    put(vfs, &dir.join("f"), b"1");
    fails(vfs.rename(&dir.join("missing"), &dir.join("f")), ErrorKind::NotFound);
    fails(vfs.rename(&dir.join("f"), &dir.join("missing/f")), ErrorKind::NotFound);
    fails(vfs.rename(&dir.join("f"), &dir.join("b")), ErrorKind::IsADirectory);
    fails(vfs.rename(&dir.join("b"), &dir.join("f")), ErrorKind::NotADirectory);
    fails(vfs.rename(&dir.join("b"), &dir.join("a")), ErrorKind::DirectoryNotEmpty);
    fails(vfs.rename(&dir.join("a"), &dir.join("a/inner/a")), ErrorKind::InvalidInput);
    assert_eq!(get(vfs, &dir.join("f")), b"1");
}

fn rename_to_itself_changes_nothing(vfs: &dyn Vfs, dir: &Path) {
    put(vfs, &dir.join("f"), b"1");
    vfs.rename(&dir.join("f"), &dir.join("f")).unwrap();
    assert_eq!(get(vfs, &dir.join("f")), b"1");
}

fn an_open_file_outlives_its_name(vfs: &dyn Vfs, dir: &Path) {
    put(vfs, &dir.join("f"), b"still here");
    let file = vfs.open(&dir.join("f"), OpenMode::Read).unwrap();
    vfs.remove_file(&dir.join("f")).unwrap();
    vfs.sync_dir(dir).unwrap();
    put(vfs, &dir.join("f"), b"another");
    let mut buf = [0; 10];
    file.read_exact_at(&mut buf, 0).unwrap();
    assert_eq!(&buf, b"still here");
}

fn removal(vfs: &dyn Vfs, dir: &Path) {
    put(vfs, &dir.join("f"), b"1");
    vfs.create_dir_all(&dir.join("d/e")).unwrap();
    fails(vfs.remove_file(&dir.join("missing")), ErrorKind::NotFound);
    fails(vfs.remove_dir(&dir.join("missing")), ErrorKind::NotFound);
    fails(vfs.remove_dir(&dir.join("f")), ErrorKind::NotADirectory);
    fails(vfs.remove_dir(&dir.join("d")), ErrorKind::DirectoryNotEmpty);
    assert!(vfs.remove_file(&dir.join("d")).is_err());
    vfs.remove_file(&dir.join("f")).unwrap();
    vfs.remove_dir(&dir.join("d/e")).unwrap();
    vfs.remove_dir(&dir.join("d")).unwrap();
    assert!(vfs.read_dir(dir).unwrap().is_empty());
}

fn directories(vfs: &dyn Vfs, dir: &Path) {
    vfs.create_dir_all(&dir.join("a/b/c")).unwrap();
    vfs.create_dir_all(&dir.join("a/b/c")).unwrap();
    vfs.sync_dir(&dir.join("a/b")).unwrap();
    fails(vfs.sync_dir(&dir.join("missing")), ErrorKind::NotFound);
    fails(vfs.read_dir(&dir.join("missing")), ErrorKind::NotFound);
    put(vfs, &dir.join("f"), b"");
    fails(vfs.create_dir_all(&dir.join("f")), ErrorKind::AlreadyExists);
    fails(vfs.create_dir_all(&dir.join("f/g")), ErrorKind::NotADirectory);
}

fn listings_are_sorted(vfs: &dyn Vfs, dir: &Path) {
    vfs.create_dir_all(&dir.join("m")).unwrap();
    for (name, content) in [("z", &b"123"[..]), ("a", b""), ("B", b"1")] {
        put(vfs, &dir.join(name), content);
    }
    let seen: Vec<_> = vfs.read_dir(dir).unwrap().into_iter().map(|e| (e.name, e.is_dir, e.len)).collect();
    let expected = [("B", false, 1), ("a", false, 0), ("m", true, 0), ("z", false, 3)];
    assert_eq!(seen, expected.map(|(name, is_dir, len)| (name.to_owned(), is_dir, len)));
}

fn entries(vfs: &dyn Vfs, dir: &Path) {
    put(vfs, &dir.join("f"), b"12");
    let entry = vfs.entry(&dir.join("f")).unwrap().unwrap();
    assert_eq!((entry.name.as_str(), entry.is_dir, entry.len), ("f", false, 2));
    let entry = vfs.entry(dir).unwrap().unwrap();
    assert_eq!((entry.name.as_str(), entry.is_dir, entry.len), (dir.file_name().unwrap().to_str().unwrap(), true, 0));
    assert!(vfs.entry(&dir.join("missing")).unwrap().is_none());
    assert!(vfs.entry(&dir.join("missing/f")).unwrap().is_none());
    assert!(vfs.entry(&dir.join("f/below")).unwrap().is_none());
}

fn paths_through_a_file(vfs: &dyn Vfs, dir: &Path) {
    put(vfs, &dir.join("f"), b"");
    fails(vfs.open(&dir.join("f/g"), OpenMode::Create), ErrorKind::NotADirectory);
    fails(vfs.read_dir(&dir.join("f")), ErrorKind::NotADirectory);
    fails(vfs.remove_file(&dir.join("f/g")), ErrorKind::NotADirectory);
}

fn a_lock_excludes_and_ends(vfs: &dyn Vfs, dir: &Path) {
    let path = dir.join("LOCK");
    put(vfs, &path, b"99999999999999 left by an earlier process");
    let lock = vfs.lock(&path).unwrap();
    fails(vfs.lock(&path), ErrorKind::WouldBlock);
    let id = String::from_utf8(get(vfs, &path)).unwrap();
    assert!(id.parse::<u32>().is_ok_and(|id| id > 0), "{id:?}");
    let other = vfs.lock(&dir.join("OTHER")).unwrap();
    drop(lock);
    drop(vfs.lock(&path).unwrap());
    fails(vfs.lock(&dir.join("OTHER")), ErrorKind::WouldBlock);
    drop(other);
}

fn replace_and_read(vfs: &dyn Vfs, dir: &Path) {
    let path = dir.join("f");
    vfs.replace(&path, b"first, longer").unwrap();
    assert_eq!(get(vfs, &path), b"first, longer");
    vfs.replace(&path, b"second").unwrap();
    assert_eq!(get(vfs, &path), b"second");
    assert_eq!(vfs.read_dir(dir).unwrap().len(), 1, "no temporary file stays");
}

fn read_has_a_limit(vfs: &dyn Vfs, dir: &Path) {
    put(vfs, &dir.join("f"), b"12345");
    assert_eq!(vfs.read(&dir.join("f"), 5).unwrap(), b"12345");
    fails(vfs.read(&dir.join("f"), 4), ErrorKind::InvalidData);
}

fn an_impossible_offset_is_an_error(vfs: &dyn Vfs, dir: &Path) {
    let file = vfs.open(&dir.join("f"), OpenMode::Create).unwrap();
    assert!(file.write_all_at(b"x", u64::MAX).is_err());
    assert!(file.set_len(u64::MAX).is_err());
    assert_eq!(file.len().unwrap(), 0);
}

fn a_second_name(vfs: &dyn Vfs, dir: &Path) {
    let (first, second) = (dir.join("first"), dir.join("second"));
    fails(vfs.hard_link(&first, &second), ErrorKind::NotFound);
    put(vfs, &first, b"content");
    vfs.hard_link(&first, &second).unwrap();
    fails(vfs.hard_link(&first, &second), ErrorKind::AlreadyExists);
    assert!(vfs.hard_link(dir, &dir.join("third")).is_err(), "directories have one name");
    assert_eq!(get(vfs, &second), b"content");
    // What replaces the first name leaves the second one alone.
    put(vfs, &dir.join("new"), b"other");
    vfs.rename(&dir.join("new"), &first).unwrap();
    assert_eq!((get(vfs, &first), get(vfs, &second)), (b"other".to_vec(), b"content".to_vec()));
    vfs.remove_file(&first).unwrap();
    assert_eq!(get(vfs, &second), b"content");
}

fn ids_follow_the_file_and_not_the_name(vfs: &dyn Vfs, dir: &Path) {
    let (one, two) = (dir.join("one"), dir.join("two"));
    let id = |path: &Path| vfs.entry(path).unwrap().unwrap().id;
    put(vfs, &one, b"1");
    put(vfs, &two, b"2");
    let (first, second) = (id(&one), id(&two));
    assert_ne!(first, second);
    assert_eq!(vfs.read_dir(dir).unwrap().iter().map(|e| e.id).collect::<Vec<_>>(), [first, second]);
    put(vfs, &one, b"longer");
    assert_eq!(id(&one), first, "a change in place");
    vfs.rename(&two, &one).unwrap();
    assert_eq!(id(&one), second);
}
