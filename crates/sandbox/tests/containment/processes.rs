//! Processes of the machine: not seen, not signalled, not looked into; and nothing of theirs is handed on.

use super::*;
use std::process::{Child, Command};

/// Whom sandboxes of root run as.
const UNPRIVILEGED: u32 = 60_998;

/// A process outside with the sandbox's own user, as far as that can be had.
pub struct Outsider(Child);

impl Outsider {
    pub fn new() -> Self {
        let mut command = Command::new("/bin/sleep");
        command.arg("600").current_dir("/");
        if is_root() {
            command.uid(UNPRIVILEGED).gid(UNPRIVILEGED);
        }
        Self(command.spawn().expect("sleep"))
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Outsider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn processes_of_the_machine_are_not_seen() {
    let (folder, outsider) = (Folder::new(), Outsider::new());
    let program = format!("if os.path.exists('/proc/{}'): print('LOOSE')", outsider.id());
    contained(&python(&folder, &program), &[Layer::Pid], &[]);
}

#[test]
fn processes_of_the_machine_are_not_signalled() {
    let (folder, outsider) = (Folder::new(), Outsider::new());
    let program = format!("try: os.kill({}, 0); print('LOOSE')\nexcept OSError as e: print(e)", outsider.id());
    contained(&python(&folder, &program), &[Layer::Pid, Layer::Landlock], &[]);
}

#[test]
fn processes_of_the_machine_are_not_looked_into() {
    if !is_root() {
        eprintln!("skipped: only root can leave out the user namespace, which holds this alone");
        return;
    }
    let yama = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope").unwrap_or_default();
    if !matches!(yama.trim(), "" | "0") {
        eprintln!("skipped: this machine lets nobody trace (yama)");
        return;
    }
    let (folder, outsider) = (Folder::new(), Outsider::new());
    let seize = 0x4206;
    let program =
        format!("r=libc.ptrace({seize},{},0,0)\nprint(r,ctypes.get_errno())\nif r == 0: print('LOOSE')", outsider.id());
    let layers = [Layer::Pid, Layer::Seccomp, Layer::Landlock, Layer::User];
    contained(&python(&folder, &program), &layers, &[Layer::Mounts]);
}

#[test]
fn the_first_process_cannot_be_looked_into() {
    if !able(&[Layer::Pid, Layer::Mounts]) {
        return;
    }
    let folder = Folder::new();
    let program = "for p in ['environ','mem','root','cwd','exe','fd']:\n  q='/proc/1/'+p\n  try:\n    \
        print('LOOSE', p, os.listdir(q) if p=='fd' else os.readlink(q) if p in ('root','cwd','exe') else open(q,'rb+'))\n  \
        except OSError as e: print(p, 'shut')\nprint(open('/proc/1/cmdline').read().split('\\0')[0])";
    let said = run(&python(&folder, program));
    assert_eq!(said.out.matches("shut").count(), 6, "{said:?}");
    assert!(said.out.ends_with("\nsandbox\n"), "the path of a program of this machine: {said:?}");
}

#[test]
fn the_environment_is_the_plans_and_nothing_more() {
    if !able(&[]) {
        return;
    }
    let folder = Folder::new();
    let mut plan = python(&folder, "print(sorted(os.environ))");
    plan.environment.insert("TOKEN".to_owned(), "placeholder".to_owned());
    let said = run(&plan);
    assert_eq!(said.out, "['HOME', 'LANG', 'PATH', 'TOKEN', 'USER']\n", "{said:?}");
}

#[test]
fn open_files_are_not_handed_on() {
    let folder = Folder::new();
    let secret = std::fs::File::open("/etc/hostname").or_else(|_| std::fs::File::open("/etc/passwd")).expect("file");
    // Without the mark that closes it when another program is run.
    let leaked = rustix::io::dup(&secret).expect("dup");
    let program = "for f in os.listdir('/proc/self/fd'):\n  try:\n    t=os.readlink('/proc/self/fd/'+f)\n    \
                   if int(f) > 2 and '/etc/' in t: print('LOOSE', f, t)\n  except OSError: pass";
    contained(&python(&folder, program), &[Layer::Descriptors], &[]);
    drop(leaked);
}
