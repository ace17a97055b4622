//! Memory and processes: what takes more than it may fails, or is killed, alone.

use super::*;

#[test]
fn a_fork_bomb_is_contained() {
    let folder = Folder::new();
    let program = "n=0\ntry:\n  while n < 200:\n    if os.fork() == 0: time.sleep(100)\n    n+=1\n  print('LOOSE')\n\
                   except OSError as e: print(e.errno)";
    let mut plan = python(&folder, program);
    plan.limits.processes = 20;
    contained(&plan, &[Layer::Limits, Layer::ProcessLimits], &[]);
    let said = run(&plan);
    assert_eq!(said.out, "11\n", "EAGAIN: {said:?}");
}

#[test]
fn a_bomb_of_threads_is_contained() {
    let folder = Folder::new();
    let program = "import threading\nn=0\ntry:\n  while n < 200:\n    \
        threading.Thread(target=time.sleep,args=(100,),daemon=True).start(); n+=1\n  print('LOOSE',flush=True)\n\
        except RuntimeError as e: print(e,flush=True)\nos._exit(0)";
    let mut plan = python(&folder, program);
    plan.limits.processes = 20;
    contained(&plan, &[Layer::Limits, Layer::ProcessLimits], &[]);
}

#[test]
fn a_memory_bomb_is_contained() {
    let folder = Folder::new();
    let program = "x=[]\nfor i in range(256): x.append(bytearray(b'x')*(1<<20))\nprint('LOOSE')";
    let mut plan = python(&folder, program);
    plan.limits.memory = 96 << 20;
    contained(&plan, &[Layer::Limits, Layer::ProcessLimits], &[]);
}

/// Memory that several processes could share is not any one's own; only the whole can be bounded.
#[test]
fn shared_memory_counts_and_the_killed_are_counted() {
    let folder = Folder::new();
    let program = "import mmap\nm=mmap.mmap(-1,256<<20)\nfor i in range(0,256<<20,4096): m[i]=1\nprint('LOOSE')";
    let mut plan = python(&folder, program);
    plan.limits.memory = 96 << 20;
    contained(&plan, &[Layer::Limits], &[]);
    if able(&[Layer::Limits]) {
        let said = run(&plan);
        assert_eq!(said.exit.signal, Some(9), "{said:?}");
        assert!(said.exit.out_of_memory.is_some_and(|killed| killed > 0), "{said:?}");
        let quiet = run(&python(&folder, "print('small')"));
        assert_eq!((quiet.out.as_str(), quiet.exit.out_of_memory), ("small\n", Some(0)), "{quiet:?}");
    }
}

#[test]
fn many_at_once_do_not_see_each_other() {
    if !able(&[Layer::Mounts]) {
        return;
    }
    let threads: Vec<_> = (0..12)
        .map(|number| {
            std::thread::spawn(move || {
                let folder = Folder::new();
                let program = format!("open('a','w').write('{number}')\nprint(open('a').read(), os.listdir('.'))");
                assert_eq!(run(&python(&folder, &program)).out, format!("{number} ['a']\n"));
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("sandbox");
    }
}

/// The group that the kernel says the sandbox is in holds what was planned.
#[test]
fn processor_time_is_bounded_for_the_whole() {
    if !able(&[Layer::Limits]) {
        return;
    }
    let folder = Folder::new();
    let mut plan = python(&folder, "sys.stdin.read()");
    plan.limits.cpu = 250;
    let running = driver().start(&plan, None).expect("start");
    let groups = std::fs::read_to_string(format!("/proc/{}/cgroup", running.process())).expect("groups");
    let group = |prefix: &str| groups.lines().find_map(|line| line.split_once(prefix).map(|(_, path)| path.to_owned()));
    let said = match group(":cpu:").or_else(|| group(":cpu,cpuacct:")) {
        Some(path) => std::fs::read_to_string(format!("/sys/fs/cgroup/cpu{path}/cpu.cfs_quota_us")).expect("quota"),
        None => {
            let path = group("0::").expect("a group");
            std::fs::read_to_string(format!("/sys/fs/cgroup{path}/cpu.max")).expect("quota")
        }
    };
    assert!(said.starts_with("25000"), "{said}");
    assert_eq!(finish(running).exit.code, Some(0));
}
