//! The program: hands its arguments and environment to [`webhook_dispatcher::cli`].

use std::process::ExitCode;

/// A delivery makes and frees many small things, and often another thread frees them than made them: with the system's
/// allocator that takes a fifth of its processor time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    webhook_dispatcher::cli::main()
}
