//! What is freed goes back to the system, where there is little memory.
//!
//! glibc keeps it: each thread's arena, and pieces of up to 32 MiB once one of that size was freed. So a server whose requests take
//! 16 MiB at a time holds several times that. It can be told otherwise only when a process begins, by its environment.

/// Memory below which that is worth more page faults.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LITTLE: u64 = 256 << 20;

/// Pieces of 128 KiB and more are the system's again at once; two arenas for all threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const SETTINGS: [(&str, &str); 3] =
    [("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "131072"), ("MALLOC_ARENA_MAX", "2")];

/// Begins this process anew with the settings where memory is scarce, unless somebody has set one of them. It keeps its process id.
/// Where that cannot be done the process goes on as it is.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(crate) fn give_back() {
    use std::os::unix::process::CommandExt;
    if !is_wanted(crate::memory::available(), |name| std::env::var_os(name).is_some()) {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut arguments = std::env::args_os();
    let mut command = std::process::Command::new(program);
    if let Some(name) = arguments.next() {
        command.arg0(name);
    }
    // It returns only when it failed.
    let _ = command.args(arguments).envs(SETTINGS).exec();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn is_wanted(available: u64, is_set: impl Fn(&str) -> bool) -> bool {
    available < LITTLE && !SETTINGS.iter().any(|(name, _)| is_set(name)) && !is_set("GLIBC_TUNABLES")
}

/// Other allocators give it back by themselves, or cannot be told.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_back() {}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_begins_anew_once_and_only_where_memory_is_scarce() {
        let nothing = |_: &str| false;
        assert!(is_wanted(64 << 20, nothing));
        assert!(!is_wanted(512 << 20, nothing));
        for (name, _) in SETTINGS {
            assert!(!is_wanted(64 << 20, |set| set == name), "{name}");
        }
        assert!(!is_wanted(64 << 20, |set| set == "GLIBC_TUNABLES"));
    }
}
