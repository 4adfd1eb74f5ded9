//! The progress bar: on a terminal only, on standard error.

use crate::pipeline::analyze::Progress;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::path::PathBuf;

/// Shows how far an analysis is.
pub(super) struct Bar {
    bar: ProgressBar,
    inputs: usize,
}

impl Bar {
    /// A bar for these inputs; it shows nothing unless standard error is a terminal and `wanted`.
    pub(super) fn new(inputs: &[PathBuf], wanted: bool) -> Self {
        let total: Option<u64> = inputs
            .iter()
            .map(|path| {
                std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file).map(|known| known.len())
            })
            .sum();
        let (bar, template) = match total {
            Some(total) => (
                ProgressBar::new(total),
                "{bar:30} {percent:>3}%  {bytes} of {total_bytes}  {bytes_per_sec}  {msg}  {eta} left",
            ),
            None => (ProgressBar::no_length(), "{spinner} {bytes}  {bytes_per_sec}  {msg}"),
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("━╸ "));
        }
        let target = if wanted && std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr_with_hz(8)
        } else {
            ProgressDrawTarget::hidden()
        };
        bar.set_draw_target(target);
        Self { bar, inputs: inputs.len() }
    }

    /// Shows progress.
    pub(super) fn tick(&self, progress: Progress) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_position(progress.bytes);
        let file = if self.inputs > 1 {
            format!("  file {} of {}", progress.input + 1, self.inputs)
        } else {
            String::new()
        };
        self.bar.set_message(format!("{} records{file}", super::style::thousands(progress.records)));
    }

    /// Takes the bar away.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }
}
