//! The filter, run by a small interpreter of its instructions.

use super::*;

/// What the filter says to a call with these first two arguments.
fn verdict(machine: u32, call: c_long, first: u32, second: u32) -> u32 {
    let (program, mut accumulator, mut at) = (program(), 0, 0);
    loop {
        let step = program[at];
        at += 1;
        let test = match step.code {
            LOAD => {
                accumulator = match step.k {
                    NUMBER => u32::try_from(call).unwrap(),
                    MACHINE => machine,
                    FIRST => first,
                    SECOND => second,
                    other => panic!("loads from {other}"),
                };
                continue;
            }
            AND => {
                accumulator &= step.k;
                continue;
            }
            RETURN => return step.k,
            EQUAL => accumulator == step.k,
            ABOVE => accumulator > step.k,
            ANY => accumulator & step.k != 0,
            other => panic!("no such instruction: {other}"),
        };
        at += usize::from(if test { step.jt } else { step.jf });
    }
}

fn native(call: c_long, first: u32, second: u32) -> u32 {
    verdict(ARCHITECTURE, call, first, second)
}

#[test]
fn what_programs_need_is_allowed_and_nothing_else() {
    for call in ALLOWED {
        assert_eq!(native(*call, 0, 0), ALLOW, "{call}");
    }
    let allowed = (0..600).filter(|call| native(*call, 1, 1) == ALLOW).count();
    // Those that depend on their arguments and allow these: clone, socket, socketpair, ioctl.
    assert_eq!(allowed, ALLOWED.len() + 4);
}

#[test]
fn what_reaches_into_the_kernel_is_refused() {
    for call in [
        libc::SYS_mount,
        libc::SYS_umount2,
        libc::SYS_pivot_root,
        libc::SYS_chroot,
        libc::SYS_unshare,
        libc::SYS_setns,
        libc::SYS_bpf,
        libc::SYS_keyctl,
        libc::SYS_add_key,
        libc::SYS_request_key,
        libc::SYS_userfaultfd,
        libc::SYS_io_uring_setup,
        libc::SYS_io_uring_enter,
        libc::SYS_perf_event_open,
        libc::SYS_ptrace,
        libc::SYS_process_vm_readv,
        libc::SYS_process_vm_writev,
        libc::SYS_pidfd_getfd,
        libc::SYS_open_by_handle_at,
        libc::SYS_kexec_load,
        libc::SYS_init_module,
        libc::SYS_finit_module,
        libc::SYS_open_tree,
        libc::SYS_move_mount,
        libc::SYS_fsopen,
        libc::SYS_fsmount,
        libc::SYS_mount_setattr,
        libc::SYS_reboot,
        libc::SYS_swapon,
        libc::SYS_clock_settime,
        libc::SYS_seccomp,
    ] {
        assert_eq!(native(call, 0, 0), REFUSED, "{call}");
    }
}

#[test]
fn arguments_decide_where_they_matter() {
    let thread = 0x3d_0f00;
    assert_eq!(native(libc::SYS_clone, thread, 0), ALLOW);
    for flag in [0x2_0000, 0x200_0000, 0x400_0000, 0x800_0000, 0x1000_0000, 0x2000_0000, 0x4000_0000] {
        assert_eq!(native(libc::SYS_clone, thread | flag, 0), REFUSED, "{flag:x}");
    }
    assert_eq!(native(libc::SYS_clone3, 0, 0), ABSENT);
    let flags = 0x8_0800;
    for family in [1, 2, 10] {
        assert_eq!(native(libc::SYS_socket, family, 1 | flags), ALLOW);
        assert_eq!(native(libc::SYS_socket, family, 2), ALLOW);
        assert_eq!(native(libc::SYS_socket, family, 3 | flags), REFUSED, "raw");
    }
    for family in [0, 3, 16, 17, 38, 40] {
        assert_eq!(native(libc::SYS_socket, family, 1), NO_FAMILY, "{family}");
    }
    assert_eq!(native(libc::SYS_ioctl, 0, 0x5401), ALLOW);
    assert_eq!(native(libc::SYS_ioctl, 0, 0x5412), REFUSED);
    assert_eq!(native(libc::SYS_personality, u32::MAX, 0), ALLOW);
    assert_eq!(native(libc::SYS_personality, 0x0040_0000, 0), REFUSED);
}

#[test]
fn other_machines_and_newer_calls() {
    assert_eq!(verdict(0x4000_0003, 1, 0, 0), KILL, "32-bit calls");
    assert_eq!(native(0x4000_0001, 0, 0), ABSENT, "x32 calls");
    assert_eq!(native(9_999, 0, 0), ABSENT);
}
