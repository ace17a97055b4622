//! What a worker may ask of the kernel: memory, time, its pipes and its end. Everything else is refused, for all of its
//! threads and for good.

use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch, apply_filter_all_threads};
use std::collections::BTreeMap;

const ALLOWED: &[libc::c_long] = &[
    libc::SYS_brk,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_futex,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_madvise,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_read,
    libc::SYS_restart_syscall,
    libc::SYS_rseq,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sched_yield,
    libc::SYS_set_robust_list,
    libc::SYS_sigaltstack,
    libc::SYS_write,
];

/// Closes what was handed down beside the pipes, by whoever started the server: a server's own never is. Kernels before
/// 5.9 cannot do it at once.
#[expect(unsafe_code, reason = "close_range has no wrapper")]
pub fn close_the_rest() {
    // SAFETY: this process has just begun, and holds nothing but its standard streams.
    unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
}

/// Needs every thread of the process to be there already.
pub fn confine() -> Result<(), String> {
    let machine = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| error.to_string())?;
    let rules: BTreeMap<_, _> = ALLOWED.iter().map(|call| (*call, Vec::new())).collect();
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let filter = SeccompFilter::new(rules, refuse, SeccompAction::Allow, machine).map_err(|error| error.to_string())?;
    let program = BpfProgram::try_from(filter).map_err(|error| error.to_string())?;
    apply_filter_all_threads(&program).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    //! In a process of their own: what is given up is given up for good.

    use super::*;
    use std::io::Write as _;

    const CHILD: &str = "worker::confinement::tests::what_a_confined_process_tries";

    #[test]
    #[ignore = "started by the other test"]
    fn what_a_confined_process_tries() {
        confine().expect("confined");
        let tries: [(&str, bool); 8] = [
            ("a file", std::fs::File::open("/etc/passwd").is_ok()),
            ("a new file", std::fs::File::create("/tmp/outcrop-confinement").is_ok()),
            ("a folder", std::fs::read_dir("/").is_ok()),
            (
                "a connection",
                std::net::TcpStream::connect("127.0.0.1:1")
                    .is_err_and(|error| error.kind() != std::io::ErrorKind::PermissionDenied),
            ),
            ("a socket", std::net::UdpSocket::bind("127.0.0.1:0").is_ok()),
            ("a process", started()),
            ("a thread", std::thread::Builder::new().spawn(|| ()).is_ok()),
            (
                "a signal",
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::CONT).is_ok(),
            ),
        ];
        let mut out = std::io::stdout();
        for (what, could) in tries {
            writeln!(out, "tried {what}: {}", if could { "could" } else { "refused" }).expect("told");
        }
        let kept: Vec<u8> = vec![1; 10 << 20];
        writeln!(out, "tried memory: {}", kept.len()).expect("told");
    }

    #[expect(clippy::disallowed_methods, reason = "it must not work")]
    fn started() -> bool {
        std::process::Command::new("/bin/true").spawn().is_ok()
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a process of its own")]
    fn nothing_is_reached_but_memory_and_the_pipes() {
        let own = std::env::current_exe().expect("own path");
        let arguments = ["--exact", CHILD, "--ignored", "--nocapture", "--test-threads=1"];
        let output = std::process::Command::new(own).args(arguments).output().expect("started");
        let said = String::from_utf8_lossy(&output.stdout);
        let tried: Vec<&str> = said.lines().filter(|line| line.contains("tried ")).collect();
        assert_eq!(tried.len(), 9, "{said}\n{}", String::from_utf8_lossy(&output.stderr));
        for line in &tried[..8] {
            assert!(line.ends_with(": refused"), "{line}");
        }
        assert!(tried[8].ends_with("tried memory: 10485760"), "{said}");
    }
}
