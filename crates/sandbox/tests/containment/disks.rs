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

#[test]
fn one_file_cannot_be_larger_than_the_disk() {
    let folder = Folder::new();
    let program = "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n\
        try: os.truncate(os.open('big', os.O_CREAT|os.O_RDWR), 1 << 30); print('LOOSE')\nexcept OSError as e: print(e.errno)";
    contained(&python(&folder, program), &[Layer::ProcessLimits], &[]);
}
