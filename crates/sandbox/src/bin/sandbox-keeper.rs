//! The keeper as a binary of its own, for tests and for products that cannot start themselves.

fn main() -> std::process::ExitCode {
    #[cfg(target_os = "linux")]
    return sandbox::keeper();
    #[cfg(not(target_os = "linux"))]
    std::process::ExitCode::FAILURE
}
