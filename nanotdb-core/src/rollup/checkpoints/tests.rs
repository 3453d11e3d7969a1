use super::*;
use crate::storage::vfs::sim::SimVfs;

const LOG: &str = "/db/rollup.checkpoints.log";

fn disk() -> SimVfs {
    let vfs = SimVfs::new(1);
    vfs.create_dir_all(Path::new("/db")).unwrap();
    vfs
}

fn text(vfs: &SimVfs) -> String {
    String::from_utf8(vfs.read(Path::new(LOG), MAX_BYTES).unwrap()).unwrap()
}

fn load(vfs: &SimVfs) -> Checkpoints {
    Checkpoints::load(vfs, Path::new(LOG)).unwrap()
}

#[test]
fn the_last_line_of_a_key_wins() {
    let vfs = disk();
    let mut log = load(&vfs);
    log.append(&vfs, &[("all_1h::cpu,busy", 10), ("one", -5)]).unwrap();
    log.append(&vfs, &[("all_1h::cpu,busy", 20), ("one", -5)]).unwrap();
    assert_eq!(text(&vfs), "all_1h::cpu,busy,10\none,-5\nall_1h::cpu,busy,20\n");
    let log = load(&vfs);
    assert_eq!((log.completed("all_1h::cpu,busy"), log.completed("one")), (Some(20), Some(-5)));
    assert_eq!(log.completed("two"), None);
}

#[test]
fn it_is_rewritten_to_one_line_per_key_past_100_kilobytes() {
    let vfs = disk();
    let mut log = load(&vfs);
    let key = "k".repeat(1_000);
    for at in 0..100 {
        log.append(&vfs, &[(&key, at)]).unwrap();
    }
    assert_eq!(text(&vfs), format!("{key},99\n"));
}

#[test]
fn a_torn_line_is_not_taken_and_not_built_upon() {
    let vfs = disk();
    // Its last digits are missing.
    vfs.replace(Path::new(LOG), b"a,-1779613200\na,-17796").unwrap();
    let mut log = load(&vfs);
    assert_eq!(log.completed("a"), Some(-1_779_613_200));
    log.append(&vfs, &[("b", 7)]).unwrap();
    assert_eq!(text(&vfs), "a,-1779613200\nb,7\n");
}

#[test]
fn lines_that_make_no_sense_are_left_out() {
    let vfs = disk();
    vfs.replace(Path::new(LOG), b"a,1\n,5\nb\nc,x\n\0\0\0a,9\n\xff,1\nd,4\r\n").unwrap();
    let log = load(&vfs);
    assert_eq!(log.completed, BTreeMap::from([("a".to_owned(), 1), ("d".to_owned(), 4)]));
}
