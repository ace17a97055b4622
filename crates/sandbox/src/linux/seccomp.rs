//! The filter of system calls: what is in the table is allowed, some only with certain arguments, everything else is
//! refused. A call that is newer than the table is answered as if the kernel did not have it, so that libraries fall
//! back to the older one.

use super::kernel;
use super::syscalls::ALLOWED;
use libc::{c_long, sock_filter};
use std::io;

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const ARCHITECTURE: u32 = 0xc000_00b7;
/// The newest call that libraries take for granted (`set_mempolicy_home_node`). What has a higher number, and is not in
/// the table, does not exist; which holds for the x32 calls too.
const NEWEST: u32 = 450;

/// Namespaces, as flags of `clone`.
const NAMESPACES: u32 = 0x7e02_0000;
/// Unix, IPv4, IPv6.
const FAMILIES: [u32; 3] = [1, 2, 10];
/// Stream, datagram, sequenced packets: no raw ones.
const KINDS: [u32; 3] = [1, 2, 5];
/// What puts words into a terminal's mouth, or another discipline under it: TIOCSTI, TIOCLINUX, TIOCSETD.
const TERMINAL: [u32; 3] = [0x5412, 0x541c, 0x5423];
/// The ordinary one, the 32-bit one, without address randomisation, and the question.
const PERSONALITIES: [u32; 4] = [0, 8, 0x0004_0000, u32::MAX];

// Offsets in `struct seccomp_data`; of an argument the lower half, which is all that these calls look at.
const NUMBER: u32 = 0;
const MACHINE: u32 = 4;
const FIRST: u32 = 16;
const SECOND: u32 = 24;

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const EQUAL: u16 = 0x15;
const ABOVE: u16 = 0x25;
const ANY: u16 = 0x45;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const KILL: u32 = 0x8000_0000;
const REFUSED: u32 = 0x0005_0000 | libc::EPERM as u32;
const ABSENT: u32 = 0x0005_0000 | libc::ENOSYS as u32;
const NO_FAMILY: u32 = 0x0005_0000 | libc::EAFNOSUPPORT as u32;

pub fn install() -> io::Result<()> {
    kernel::filter_system_calls(&program())
}

fn program() -> Vec<sock_filter> {
    let mut program =
        vec![plain(LOAD, MACHINE), jump(EQUAL, ARCHITECTURE, 1, 0), plain(RETURN, KILL), plain(LOAD, NUMBER)];
    when(
        &mut program,
        libc::SYS_clone,
        &[plain(LOAD, FIRST), jump(ANY, NAMESPACES, 0, 1), plain(RETURN, REFUSED), plain(RETURN, ALLOW)],
    );
    // Its flags are in memory, where a filter cannot look; without it, libraries use clone.
    when(&mut program, libc::SYS_clone3, &[plain(RETURN, ABSENT)]);
    for call in [libc::SYS_socket, libc::SYS_socketpair] {
        let mut body = vec![plain(LOAD, FIRST)];
        body.extend(one_of(&FAMILIES, NO_FAMILY));
        body.extend([plain(LOAD, SECOND), plain(AND, 0xf)]);
        body.extend(one_of(&KINDS, REFUSED));
        body.push(plain(RETURN, ALLOW));
        when(&mut program, call, &body);
    }
    let mut body = vec![plain(LOAD, SECOND)];
    for request in TERMINAL {
        body.extend([jump(EQUAL, request, 0, 1), plain(RETURN, REFUSED)]);
    }
    body.push(plain(RETURN, ALLOW));
    when(&mut program, libc::SYS_ioctl, &body);
    let mut body = vec![plain(LOAD, FIRST)];
    body.extend(one_of(&PERSONALITIES, REFUSED));
    body.push(plain(RETURN, ALLOW));
    when(&mut program, libc::SYS_personality, &body);
    for &call in ALLOWED {
        when(&mut program, call, &[plain(RETURN, ALLOW)]);
    }
    program.extend([jump(ABOVE, NEWEST, 0, 1), plain(RETURN, ABSENT), plain(RETURN, REFUSED)]);
    program
}

/// The body for one call. It ends with a return on every way.
fn when(program: &mut Vec<sock_filter>, call: c_long, body: &[sock_filter]) {
    let number = u32::try_from(call).unwrap_or(u32::MAX);
    let length = u8::try_from(body.len()).unwrap_or(u8::MAX);
    program.push(jump(EQUAL, number, 0, length));
    program.extend(body);
}

/// Goes on where the accumulator is one of these; otherwise returns `or`.
fn one_of(values: &[u32], or: u32) -> Vec<sock_filter> {
    let mut left = u8::try_from(values.len()).unwrap_or(u8::MAX);
    let mut steps = Vec::new();
    for &value in values {
        steps.push(jump(EQUAL, value, left, 0));
        left = left.saturating_sub(1);
    }
    steps.push(plain(RETURN, or));
    steps
}

fn plain(code: u16, k: u32) -> sock_filter {
    jump(code, k, 0, 0)
}

fn jump(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}

#[cfg(test)]
mod tests;
