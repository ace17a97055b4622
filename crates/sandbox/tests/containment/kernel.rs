//! The kernel itself: what it offers to programs that want more.

use super::*;

#[test]
fn namespaces_and_mounts_cannot_be_made() {
    let folder = Folder::new();
    let program = "r=libc.unshare(0x10000000|0x20000)\nprint(r, ctypes.get_errno())\n\
        r=libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)\nprint(r, ctypes.get_errno())\nif r == 0: print('LOOSE')";
    contained(&python(&folder, program), &[Layer::Seccomp, Layer::Landlock], &[]);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn doors_into_the_kernel_are_shut() {
    let folder = Folder::new();
    let names = "bpf=321,keyctl=250,add_key=248,request_key=249,userfaultfd=323,io_uring_setup=425,perf_event_open=298,\
        ptrace=101,unshare=272,setns=308,open_by_handle_at=304,process_vm_readv=310,mount=165,pivot_root=155,\
        kexec_load=246,init_module=175,swapon=167,open_tree=428,fsopen=430,pidfd_getfd=438";
    let program = format!(
        "for name, number in dict({names}).items():\n  r = libc.syscall(number, 0, 0, 0, 0, 0, 0)\n  \
         e = ctypes.get_errno() if r < 0 else 0\n  print(name, 'shut' if e == 1 else 'LOOSE')"
    );
    contained(&python(&folder, &program), &[Layer::Seccomp], &[]);
    let said = run(&python(&folder, &program));
    assert_eq!(said.out.matches(" shut").count(), 20, "{said:?}");
}

/// Every call there is or will be, with arguments that mean nothing: none of them may do harm to the sandbox's keeper,
/// and the machine goes on.
#[cfg(target_arch = "x86_64")]
#[test]
fn a_sweep_over_all_calls_ends_in_the_sandbox() {
    if !able(&[Layer::Seccomp, Layer::Pid]) {
        return;
    }
    let folder = Folder::new();
    let program = "import signal\nfor n in range(600):\n  p = os.fork()\n  if p == 0:\n    signal.alarm(1)\n    \
        a = [ctypes.c_long(-1)] * 6\n    libc.syscall(ctypes.c_long(n), *a)\n    os._exit(0)\n  \
        if n in (34, 130): os.kill(p, 9)\n  os.waitpid(p, 0)\nprint('swept')";
    let mut plan = python(&folder, program);
    plan.environment.insert("MARK".to_owned(), "kept".to_owned());
    let said = run(&plan);
    // Signals to all processes of the sandbox are part of the sweep: it may end by its own hand.
    assert!(said.out.contains("swept") || said.exit.signal.is_some(), "{said:?}");
    assert_eq!(run(&python(&folder, "print('still here')")).out, "still here\n");
}

#[test]
fn capabilities_are_gone_for_good() {
    let folder = Folder::new();
    let program = "caps=[l.split()[1] for l in open('/proc/self/status') if l.startswith('Cap')]\nprint(caps)\n\
                   if any(int(c,16) for c in caps): print('LOOSE')";
    contained(&python(&folder, program), &[Layer::Capabilities], &[]);
}

#[test]
fn no_privileges_are_gained_by_running_something() {
    let folder = Folder::new();
    let program = "t=open('/proc/self/status').read()\nif 'NoNewPrivs:\\t1' not in t: print('LOOSE')";
    let beside = [Layer::Seccomp, Layer::Landlock];
    contained(&python(&folder, program), &[Layer::NoNewPrivileges], &beside);
}

/// A namespace of its own: not the one that this test is in.
#[test]
fn namespaces_are_others() {
    let folder = Folder::new();
    for (name, layer) in [
        ("ipc", Layer::Ipc),
        ("uts", Layer::Uts),
        ("net", Layer::Network),
        ("pid", Layer::Pid),
        ("cgroup", Layer::Cgroup),
        ("mnt", Layer::Mounts),
        ("user", Layer::User),
    ] {
        if !is_root() && layer == Layer::User {
            continue;
        }
        let own = std::fs::read_link(format!("/proc/self/ns/{name}")).expect("own");
        let program = format!("if os.readlink('/proc/self/ns/{name}') == '{}': print('LOOSE')", own.display());
        contained(&python(&folder, &program), &[layer], &[]);
    }
}

#[test]
fn the_machines_name_is_not_told() {
    let folder = Folder::new();
    let program = "if socket.gethostname() != 'sandbox': print('LOOSE')";
    contained(&python(&folder, program), &[Layer::Uts], &[]);
}

#[test]
fn nothing_of_the_machine_can_be_set() {
    let folder = Folder::new();
    let program = "for p in ['/proc/sys/kernel/core_pattern','/proc/sysrq-trigger','/proc/sys/vm/drop_caches',\
        '/proc/self/oom_score_adj']:\n  try:\n    f=os.open(p, os.O_WRONLY); print('opened', p)\n  \
        except OSError as e: print(p, e.errno)\nprint(len(open('/proc/keys').read()))";
    if !able(&[Layer::Mounts, Layer::Pid]) {
        return;
    }
    let said = run(&python(&folder, program));
    assert!(!said.out.contains("opened /proc/sys/"), "{said:?}");
    assert!(said.out.ends_with("\n0\n"), "{said:?}");
}
