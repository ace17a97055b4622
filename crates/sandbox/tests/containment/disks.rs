//! The disk: how much of it may be used.

use super::*;

const FILL: &str = "n=0\ntry:\n  for k in range(8):\n    with open(f'f{k}','wb') as f:\n      for i in range(16):\n        \
    f.write(b'x'*(1<<20)); n+=1\n  print('LOOSE')\nexcept OSError as e: print(e.errno)";

#[test]
fn a_disk_in_memory_holds_what_it_may_and_no_more() {
    if !able(&[Layer::Mounts]) {
        return;
    }
    let folder = Folder::new();
    let mut plan = python(&folder, FILL);
    plan.disk = Disk::Memory;
    plan.limits.disk = 20 << 20;
    let said = run(&plan);
    assert_eq!(said.out, "28\n", "ENOSPC: {said:?}");
    plan.limits.disk = 150 << 20;
    plan.limits.memory = 400 << 20;
    assert!(run(&plan).out.contains(LOOSE), "what fits is written");
    let mut plan =
        python(&folder, "try:\n  for i in range(500): open(f'f{i}','w')\nexcept OSError as e: print(e.errno)");
    plan.disk = Disk::Memory;
    plan.limits.files = 100;
    assert_eq!(run(&plan).out, "28\n");
}

#[test]
fn a_folder_that_grows_too_large_ends_its_sandbox() {
    if !able(&[Layer::Mounts]) {
        return;
    }
    let folder = Folder::new();
    // It waits to be killed after the disk is full.
    let mut plan = python(&folder, &format!("{FILL}\nsys.stdout.flush()\nwhile True: time.sleep(100)"));
    plan.limits.disk = 40 << 20;
    let said = run(&plan);
    assert!(said.exit.out_of_disk && said.exit.signal == Some(9), "{said:?}");
    let mut plan = python(&folder, "for i in range(200): open(f'n{i}','w')\nwhile True: time.sleep(100)");
    plan.limits.files = 100;
    assert!(run(&plan).exit.out_of_disk);
}

/// What it does holds more than the disk may, somewhere; nobody must wait for ever for it to be ended.
fn is_ended(program: &str, isolation: Isolation) {
    let folder = Folder::new();
    let mut plan = with(python(&folder, &format!("{program}\ntime.sleep(60)\nprint('LOOSE')")), isolation);
    plan.limits.disk = 40 << 20;
    let said = run(&plan);
    assert!(said.exit.out_of_disk && !said.out.contains(LOOSE), "{program}: {said:?}");
}

const HELD: &str = "for k in range(3):\n  f=os.open(f'f{k}',os.O_CREAT|os.O_RDWR)\n  os.unlink(f'f{k}')\n  \
    os.posix_fallocate(f,0,20<<20)";

#[test]
fn deleted_files_count_while_they_are_open() {
    if able(&[Layer::Mounts, Layer::Pid]) {
        is_ended(HELD, Isolation::full());
        is_ended(HELD, Isolation::full().without(&[Layer::Limits]));
        // By whom makes no difference.
        is_ended(&format!("if os.fork(): time.sleep(60); os._exit(0)\n{HELD}"), Isolation::full());
        // What hides itself is hidden from everybody but root.
        if is_root() {
            is_ended(&format!("libc.prctl(4,0)\n{HELD}"), Isolation::full());
        }
    }
}

#[test]
fn a_deleted_file_counts_once_and_only_of_the_disk() {
    if !able(&[Layer::Mounts, Layer::Pid]) {
        return;
    }
    let folder = Folder::new();
    let program = "f=os.open('f',os.O_CREAT|os.O_RDWR)\nos.unlink('f')\nos.posix_fallocate(f,0,20<<20)\n\
        for k in range(9): os.dup(f)\nfor k in range(3):\n  t=os.open('/tmp/t',os.O_CREAT|os.O_RDWR)\n  \
        os.unlink('/tmp/t')\n  os.posix_fallocate(t,0,8<<20)\ntime.sleep(4)\nprint('still there')";
    let mut plan = python(&folder, program);
    plan.limits.disk = 40 << 20;
    assert_eq!(run(&plan).out, "still there\n");
}

#[test]
fn no_place_on_the_disk_is_out_of_sight() {
    if able(&[Layer::Mounts]) {
        let fill = "for k in range(3): os.posix_fallocate(os.open(f'f{k}',os.O_CREAT|os.O_RDWR),0,20<<20)";
        is_ended(&format!("for k in range(205): os.mkdir('d'); os.chdir('d')\n{fill}"), Isolation::full());
        is_ended(&format!("os.mkdir('d'); os.chdir('d')\n{fill}\nos.chmod('.',0)"), Isolation::full());
    }
}

#[test]
fn one_file_cannot_be_larger_than_the_disk() {
    let folder = Folder::new();
    let program = "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n\
        try: os.truncate(os.open('big', os.O_CREAT|os.O_RDWR), 1 << 30); print('LOOSE')\nexcept OSError as e: print(e.errno)";
    contained(&python(&folder, program), &[Layer::ProcessLimits], &[]);
}
