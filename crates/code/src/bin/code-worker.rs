//! What the crate's own tests start as a worker; a product starts itself.

use std::alloc::System;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: code::allocator::Counted<System> = code::allocator::Counted(System);

fn main() -> ExitCode {
    code::worker()
}
