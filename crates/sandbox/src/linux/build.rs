//! The root of a sandbox. First everything that comes from the machine is opened as a detached tree, while its paths can
//! still be walked; then a root is put together from those and from fresh file systems, and taken.

use super::channel::{Failure, Order, at};
use super::etc;
use super::kernel;
use crate::isolation::Layer;
use crate::plan::Disk;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
    fsconfig_create, fsconfig_set_string, fsmount, fsopen, mount_change, move_mount, open_tree, unmount,
};
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

const READ_ONLY: u64 = MountAttrFlags::MOUNT_ATTR_RDONLY.bits() as u64;
const QUIET: u64 = (MountAttrFlags::MOUNT_ATTR_NOSUID.bits() | MountAttrFlags::MOUNT_ATTR_NODEV.bits()) as u64;

/// Where programs are, besides `/usr`: links into it, or folders of older systems.
const PROGRAMS: [&str; 6] = ["bin", "lib", "lib32", "lib64", "libx32", "sbin"];
/// Of a prepared tree these are never taken: they are made here.
const MADE_HERE: [&str; 7] = ["proc", "dev", "sys", "tmp", "run", "workspace", "lost+found"];
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];
/// Parts of `/proc` that speak of the machine, or to it.
const HIDDEN: [&str; 7] = ["kcore", "keys", "key-users", "sysrq-trigger", "timer_list", "sched_debug", "kallsyms"];
const FROZEN: [&str; 4] = ["sys", "irq", "bus", "fs"];

/// What stands at one place of the new root.
struct Piece {
    /// Without the slash in front.
    place: PathBuf,
    what: What,
}

enum What {
    Folder(OwnedFd),
    File(OwnedFd),
    Link(PathBuf),
}

/// What comes from the machine, opened.
pub struct Materials {
    pieces: Vec<Piece>,
    staging: PathBuf,
    synthetic: bool,
}

/// Opens everything, as the user who started the sandbox. Mounts made from here on are this process's own.
pub fn gather(order: &Order) -> Result<Materials, Failure> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).map_err(at("own mounts"))?;
    let plan = &order.plan;
    let frozen = if order.isolation.has(Layer::ReadOnly) { READ_ONLY | QUIET } else { QUIET };
    let mut pieces = Vec::new();
    let base = plan.base.as_deref().unwrap_or(Path::new("/"));
    let mut names: Vec<PathBuf> = PROGRAMS.iter().chain(&["usr"]).map(PathBuf::from).collect();
    if plan.base.is_some() {
        let entries = std::fs::read_dir(base).map_err(at("the base"))?;
        names = entries.filter_map(|entry| entry.ok().map(|entry| PathBuf::from(entry.file_name()))).collect();
        names.retain(|name| !MADE_HERE.iter().any(|made| Path::new(made) == name));
    }
    let of_base = names.len();
    let synthetic = !names.iter().any(|name| name == Path::new("etc"));
    if synthetic {
        names.extend(etc::SHARED.map(|name| Path::new("etc").join(name)));
    }
    for (position, name) in names.iter().enumerate() {
        // A link at the top leads to somewhere in the same tree; what is taken of `/etc` may be one to elsewhere.
        let source = base.join(name);
        let link = (position < of_base).then(|| std::fs::read_link(&source).ok()).flatten();
        match link {
            Some(target) => pieces.push(Piece { place: name.clone(), what: What::Link(target) }),
            None => pieces.extend(piece(&source, name, frozen).map_err(at(format!("/{}", name.display())))?),
        }
    }
    for device in DEVICES {
        let path = Path::new("dev").join(device);
        pieces.extend(piece(&Path::new("/").join(&path), &path, 0).map_err(at(format!("/{}", path.display())))?);
    }
    if let Disk::Folder(folder) = &plan.disk {
        let disk = piece(folder, Path::new("workspace"), QUIET).map_err(at("the workspace"))?;
        pieces.push(disk.ok_or_else(|| at("the workspace")("there is no such folder"))?);
    }
    for bind in &plan.binds {
        let step = format!("the bind at {}", bind.target);
        let attributes = if bind.writable { QUIET } else { frozen };
        let target = Path::new(bind.target.trim_start_matches('/'));
        let found = piece(&bind.source, target, attributes).map_err(at(step.clone()))?;
        pieces.push(found.ok_or_else(|| at(step)("there is no such file or folder"))?);
    }
    let staging = ["/tmp", "/run", "/usr", "/proc"].into_iter().map(PathBuf::from).find(|path| path.is_dir());
    let staging =
        staging.ok_or_else(|| at("a place for the new root")("this machine has none of its usual folders"))?;
    Ok(Materials { pieces, staging, synthetic })
}

/// One file or folder of the machine; none where it does not exist.
fn piece(source: &Path, place: &Path, attributes: u64) -> io::Result<Option<Piece>> {
    let folder = match std::fs::metadata(source) {
        Ok(metadata) => metadata.is_dir(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let place = place.to_owned();
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    let tree = open_tree(CWD, source, flags)?;
    if attributes != 0 {
        kernel::set_mount_attributes(tree.as_fd(), attributes, true)?;
    }
    Ok(Some(Piece { place, what: if folder { What::Folder(tree) } else { What::File(tree) } }))
}

/// Puts the root together and takes it. From here on the machine's own files cannot be named.
pub fn take(materials: Materials, order: &Order) -> Result<(), Failure> {
    let Materials { pieces, staging, synthetic } = materials;
    let root = tmpfs(8 << 20, 4_096, "755").map_err(at("the new root"))?;
    attach(&root, &staging).map_err(at("the new root"))?;
    std::env::set_current_dir(&staging).map_err(at("the new root"))?;
    skeleton(synthetic).map_err(at("the new root's folders"))?;
    let limits = &order.plan.limits;
    for (place, bytes) in [("tmp", limits.temporary), ("dev/shm", limits.temporary), ("run", 1 << 20)] {
        let fresh = tmpfs(bytes, 1 << 16, "1777").and_then(|fresh| attach(&fresh, place));
        fresh.map_err(at(format!("/{place}")))?;
    }
    if order.plan.disk == Disk::Memory {
        let disk = tmpfs(limits.disk, limits.files, "755").map_err(at("the workspace"))?;
        attach(&disk, "workspace").map_err(at("the workspace"))?;
    }
    for piece in &pieces {
        put(piece).map_err(at(format!("/{}", piece.place.display())))?;
    }
    terminals().map_err(at("/dev/pts"))?;
    processes(order.isolation.has(Layer::Pid)).map_err(at("/proc"))?;
    if order.isolation.has(Layer::ReadOnly) {
        kernel::set_mount_attributes(root.as_fd(), READ_ONLY, false).map_err(at("the new root, read-only"))?;
    }
    rustix::process::pivot_root(".", ".").map_err(at("pivot_root"))?;
    unmount(".", UnmountFlags::DETACH).map_err(at("leaving the old root"))?;
    std::env::set_current_dir("/").map_err(at("the new root"))
}

fn skeleton(synthetic: bool) -> io::Result<()> {
    for folder in ["dev", "dev/pts", "dev/shm", "proc", "tmp", "run", "var", "workspace", "root", "home", "opt"] {
        std::fs::create_dir_all(folder)?;
    }
    for (link, target) in [
        ("dev/ptmx", "pts/ptmx"),
        ("dev/fd", "/proc/self/fd"),
        ("dev/stdin", "/proc/self/fd/0"),
        ("dev/stdout", "/proc/self/fd/1"),
        ("dev/stderr", "/proc/self/fd/2"),
    ] {
        symlink(target, link)?;
    }
    if synthetic {
        std::fs::create_dir_all("etc")?;
        etc::write(Path::new("etc"))?;
    }
    Ok(())
}

fn put(piece: &Piece) -> io::Result<()> {
    if let Some(parent) = piece.place.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        std::fs::create_dir_all(parent)?;
    }
    match &piece.what {
        What::Link(target) => {
            // A tree may have a link where every root has an empty folder.
            let _ = std::fs::remove_dir(&piece.place);
            symlink(target, &piece.place)
        }
        What::Folder(tree) => {
            std::fs::create_dir_all(&piece.place)?;
            attach(tree, &piece.place)
        }
        What::File(tree) => {
            if !piece.place.exists() {
                std::fs::write(&piece.place, "")?;
            }
            attach(tree, &piece.place)
        }
    }
}

fn terminals() -> io::Result<()> {
    let context = fsopen("devpts", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "ptmxmode", "0666")?;
    fsconfig_set_string(&context, "mode", "0620")?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    attach(&fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?, "dev/pts")
}

/// `own`: with processes of its own; otherwise the machine's `/proc` is all that there is.
fn processes(own: bool) -> io::Result<()> {
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    if !own {
        return attach(&open_tree(CWD, "/proc", clone)?, "proc");
    }
    let context = fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    let attributes =
        MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    attach(&fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?, "proc")?;
    for name in HIDDEN {
        let place = Path::new("proc").join(name);
        if place.exists() {
            attach(&open_tree(CWD, "dev/null", clone)?, &place)?;
        }
    }
    for name in FROZEN {
        let place = Path::new("proc").join(name);
        if place.exists() {
            let tree = open_tree(CWD, &place, clone)?;
            kernel::set_mount_attributes(tree.as_fd(), READ_ONLY, true)?;
            attach(&tree, &place)?;
        }
    }
    Ok(())
}

fn tmpfs(bytes: u64, files: u64, mode: &str) -> io::Result<OwnedFd> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_set_string(&context, "size", bytes.to_string())?;
    fsconfig_set_string(&context, "nr_inodes", files.to_string())?;
    fsconfig_set_string(&context, "mode", mode)?;
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    Ok(fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?)
}

fn attach(tree: &OwnedFd, place: impl AsRef<Path>) -> io::Result<()> {
    Ok(move_mount(tree, "", CWD, place.as_ref(), MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)?)
}
