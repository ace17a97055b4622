//! Where groups are made, from what `/proc` says; and that a group of either version holds what it is told.

use super::*;

#[test]
fn version_one_below_the_own_group() {
    let membership = "8:pids:/\n4:memory:/tenant/a\n1:cpu,cpuacct:/\n0::/\n";
    let mounts = "30 24 0:26 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
        31 24 0:27 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
        32 24 0:28 /tenant /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n";
    let found = candidates(membership, mounts);
    let expected: BTreeMap<&'static str, PathBuf> = [
        ("cpu", PathBuf::from("/sys/fs/cgroup/cpu")),
        ("memory", PathBuf::from("/sys/fs/cgroup/memory/a")),
        ("pids", PathBuf::from("/sys/fs/cgroup/pids")),
    ]
    .into();
    assert_eq!(found, [Groups::Split(expected)]);
}

#[test]
fn version_two_below_the_own_group_or_beside_it() {
    let mounts = "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    let found = candidates("0::/system.slice/outcrop.service/server\n", mounts);
    let at = |path: &str| Groups::Unified(Path::new("/sys/fs/cgroup/system.slice").join(path));
    assert_eq!(found, [at("outcrop.service/server"), at("outcrop.service")]);
    // A group that lies outside of what is mounted, as in a container, is none.
    let mounts = "30 24 0:26 /container /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
    assert_eq!(candidates("0::/elsewhere\n", mounts), []);
    assert_eq!(candidates("", ""), []);
    assert_eq!(candidates("nonsense\n:\n", "a - b\n - \n"), []);
}

#[test]
fn limits_are_written_as_version_two_wants_them() {
    let folder = std::env::temp_dir().join(format!("sandbox-cgroup-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let group = Group(Place { unified: true, folders: [(String::new(), folder.clone())].into() });
    group.limit(&crate::plan::Size::Medium.limits()).unwrap();
    let read = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    assert_eq!(read("memory.max"), "4294967296");
    assert_eq!(read("cpu.max"), "200000 100000");
    assert_eq!(read("pids.max"), "1026");
    std::fs::write(folder.join("memory.events"), "low 0\noom 3\noom_kill 2\n").unwrap();
    assert_eq!(group.out_of_memory(), Some(2));
    drop(group);
    std::fs::remove_dir_all(&folder).unwrap();
}
