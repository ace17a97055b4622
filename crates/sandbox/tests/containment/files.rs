//! Files of the machine: none can be named that was not put there, and what was put there cannot be changed.

use super::*;
use sandbox::Bind;
use std::os::unix::fs::PermissionsExt as _;

/// A file with a secret somewhere on this machine, gone with the test.
struct Planted(PathBuf);

impl Planted {
    fn below(folder: &str) -> Option<Self> {
        let path = Path::new(folder).join(format!("sandbox-canary-{}", std::process::id()));
        std::fs::write(&path, "CANARY").ok()?;
        Some(Self(path))
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn files_of_the_machine_are_not_there() {
    let (folder, data) = (Folder::new(), Folder::new());
    let places = ["/etc", "/root", "/home", "/tmp", "/var/tmp", "/opt", "/srv", "/mnt", "/run", "/var/lib", "/"];
    let mut planted: Vec<Planted> = places.iter().filter_map(|place| Planted::below(place)).collect();
    planted.extend(Planted::below(&data.0.display().to_string()));
    planted.extend(std::env::current_dir().ok().and_then(|own| Planted::below(&own.display().to_string())));
    let paths: Vec<String> = planted.iter().map(|file| format!("{:?}", file.0.display().to_string())).collect();
    let program = format!(
        "for p in [{}]:\n  for q in [p, '/proc/1/root'+p, '/proc/self/root'+p, '../'*9+p]:\n    \
         try: print('LOOSE', q, open(q).read())\n    except OSError as e: print(q, e.errno)",
        paths.join(",")
    );
    contained(&python(&folder, &program), &[Layer::Mounts], &[]);
}

#[test]
fn the_machines_users_and_configuration_are_not_there() {
    let folder = Folder::new();
    let program = "for p in ['/etc/shadow','/etc/gshadow','/etc/fstab','/sys/kernel','/etc/init.d']:\n  \
                   if os.path.lexists(p): print('LOOSE', p)";
    contained(&python(&folder, program), &[Layer::Mounts], &[]);
}

#[test]
fn programs_work_on_what_is_there() {
    if !able(&[Layer::Mounts]) {
        return;
    }
    let folder = Folder::new();
    let program = "import pwd,json,tempfile,ssl\nassert pwd.getpwuid(os.getuid()).pw_name == 'user'\n\
        open('/workspace/a','w').write('kept')\ntempfile.mkstemp()\nopen('/dev/null','w').write('x')\n\
        assert len(open('/dev/urandom','rb').read(8)) == 8\nmaster, slave = os.openpty()\nos.write(slave, b'x')\n\
        assert os.path.ismount('/proc') and os.listdir('/dev/shm') == []\nassert os.getpid() == 2, os.getpid()\n\
        print(subprocess.run(['sh','-c','awk \"BEGIN{print 6*7}\"'],capture_output=True,text=True).stdout.strip())\n\
        import multiprocessing as m\nq = m.Lock()\nprint(os.getcwd(), sorted(os.listdir('/')))";
    let said = run(&python(&folder, program));
    let root = "['bin', 'dev', 'etc', 'home',";
    assert!(said.out.starts_with(&format!("42\n/workspace {root}")), "{said:?}");
    assert_eq!(std::fs::read_to_string(folder.0.join("a")).expect("a"), "kept");
}

#[test]
fn what_is_bound_read_only_stays_as_it_is() {
    let (folder, data) = (Folder::new(), Folder::new());
    std::fs::set_permissions(&data.0, std::fs::Permissions::from_mode(0o777)).expect("mode");
    let program = "try: open('/planted/x','w').write('x'); print('LOOSE')\nexcept OSError as e: print(e)";
    let mut plan = python(&folder, program);
    plan.binds.push(Bind { source: data.0.clone(), target: "/planted".to_owned(), writable: false });
    contained(&plan, &[Layer::ReadOnly, Layer::Landlock], &[]);
    plan.binds[0].writable = true;
    assert!(run(&plan).out.contains(LOOSE), "what is bound writable is written");
}

/// How an executor comes in: as the server's own binary.
#[test]
fn the_keepers_own_program_can_be_bound() {
    if !able(&[Layer::Mounts]) {
        return;
    }
    let folder = Folder::new();
    let mut plan =
        Plan::new(Disk::Folder(folder.0.clone()), &["sh", "-c", "/opt/own/program; echo $?; : > /opt/own/program"]);
    plan.allow_weak = true;
    let source = PathBuf::from(env!("CARGO_BIN_EXE_sandbox-keeper"));
    plan.binds.push(Bind { source, target: "/opt/own/program".to_owned(), writable: false });
    let said = run(&plan);
    assert_eq!(said.out, "1\n", "{said:?}");
    assert!(said.err.contains("/opt/own/program"), "{said:?}");
}

#[test]
fn nothing_of_the_root_is_writable() {
    let folder = Folder::new();
    let program = "for p in ['/','/usr','/etc','/usr/bin','/usr/lib']:\n  \
                   if not os.statvfs(p).f_flag & os.ST_RDONLY: print('LOOSE', p)";
    contained(&python(&folder, program), &[Layer::ReadOnly], &[]);
}

#[test]
fn a_program_of_another_user_gives_nothing() {
    if !is_root() {
        eprintln!("skipped: only root can plant a program of root's");
        return;
    }
    let folder = Folder::new();
    std::fs::copy("/usr/bin/id", folder.0.join("gain")).expect("copy");
    std::fs::set_permissions(folder.0.join("gain"), std::fs::Permissions::from_mode(0o4755)).expect("mode");
    let program = "r=subprocess.run(['./gain','-u'],capture_output=True,text=True)\nprint(r)\n\
                   if r.stdout.strip() == '0': print('LOOSE')";
    // Without no_new_privs neither a filter nor a Landlock domain can be had.
    let beside = [Layer::Seccomp, Layer::Landlock];
    contained(&python(&folder, program), &[Layer::User, Layer::NoNewPrivileges, Layer::Mounts], &beside);
}

#[test]
fn a_prepared_tree_is_the_root() {
    if !able(&[Layer::Mounts]) {
        return;
    }
    let (folder, base) = (Folder::new(), Folder::new());
    let listed = std::process::Command::new("ldd").arg("/bin/sh").output().map(|output| output.stdout);
    let Ok(listed) = listed else {
        eprintln!("skipped: there is no ldd to find the shell's libraries with");
        return;
    };
    let listed = String::from_utf8_lossy(&listed).into_owned();
    let libraries = listed.split_whitespace().filter(|word| word.starts_with('/'));
    for path in libraries.chain(["/bin/sh"]) {
        let copy = base.0.join(path.trim_start_matches('/'));
        std::fs::create_dir_all(copy.parent().expect("parent")).expect("folder");
        std::fs::copy(path, copy).expect("copy");
    }
    std::fs::create_dir(base.0.join("etc")).expect("etc");
    std::fs::write(base.0.join("etc/mark"), "of the tree").expect("mark");
    std::os::unix::fs::symlink("/etc", base.0.join("opt")).expect("link");
    let script = "read mark < /opt/mark; echo $mark; test -e /usr || echo none; echo x > /etc/new || echo kept";
    let mut plan = Plan::new(Disk::Folder(folder.0.clone()), &["sh", "-c", script]);
    plan.allow_weak = true;
    plan.base = Some(base.0.clone());
    let said = run(&plan);
    assert_eq!(said.out, "of the tree\nnone\nkept\n", "{said:?}");
}
