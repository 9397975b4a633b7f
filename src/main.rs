//! The program: hands its arguments and environment to [`webhook_dispatcher::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    webhook_dispatcher::cli::main()
}
