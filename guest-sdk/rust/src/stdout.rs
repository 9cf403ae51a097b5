//! `println!` for runners, whose output is the agent's own. Of any other policy it would be a line in the log: use `log`.

use wasip2::cli::stdout::get_stdout;

/// The most that one call of the stream takes.
const CHUNK: usize = 4096;

/// Writes all of it. What the stream refuses is lost: nobody is left to tell.
pub fn write(text: &str) {
    let stream = get_stdout();
    for chunk in text.as_bytes().chunks(CHUNK) {
        if stream.blocking_write_and_flush(chunk).is_err() {
            return;
        }
    }
}

/// Writes to the agent's output, formatted as by `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __print {
    ($($text:tt)*) => { $crate::stdout::write(&::std::format!($($text)*)) };
}

/// Writes a line to the agent's output, formatted as by `format!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __println {
    () => { $crate::stdout::write("\n") };
    ($($text:tt)*) => { $crate::stdout::write(&::std::format!("{}\n", ::std::format_args!($($text)*))) };
}
