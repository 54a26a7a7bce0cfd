//! What is in memory stays there: keys and content must not reach a disk by way
//! of a crash dump.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Lets no crash dump be written, and no other process of the same user read
/// this one's memory. Where the system refuses, work goes on without.
pub(crate) fn keep() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    // Lowering a limit is always allowed; a dump that a program is fed (`core_pattern`
    // with a pipe) does not heed it, but it does heed the flag below.
    let _ = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}
