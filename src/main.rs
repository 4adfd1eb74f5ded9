//! The `spanlight` command.

fn main() -> std::process::ExitCode {
    spanlight::cli::main()
}
