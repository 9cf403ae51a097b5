//! Text that is added at the end of something, and may be taken only in part.

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that a pipe takes in one piece, whoever else writes (`PIPE_BUF` of pipe(7)).
const IN_ONE_PIECE: usize = 4096;

/// What is to be written, and how much of it was.
#[derive(Clone, Debug)]
pub(crate) struct Rest {
    text: Arc<str>,
    written: Arc<AtomicUsize>,
}

impl Rest {
    /// Writes what has not been written yet.
    pub(crate) fn write(&self, to: impl Write) -> io::Result<()> {
        self.write_parts(to, |rest| rest)
    }

    /// Writes what has not been written yet, each line in one piece where a pipe allows that, so that others can write their
    /// lines between.
    pub(crate) fn write_lines(&self, to: impl Write) -> io::Result<()> {
        self.write_parts(to, whole_lines)
    }

    /// Writes what has not been written yet, each time what `part` takes of the rest.
    fn write_parts(&self, mut to: impl Write, part: impl Fn(&[u8]) -> &[u8]) -> io::Result<()> {
        loop {
            let rest = self.text.as_bytes().get(self.written.load(Ordering::Relaxed)..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            match to.write(part(rest)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => _ = self.written.fetch_add(count, Ordering::Relaxed),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether it is this text, alone or behind what ends a line.
    fn is(&self, text: &str) -> bool {
        &*self.text == text || self.text.strip_prefix('\n') == Some(text)
    }
}

/// As many whole lines of the beginning as a pipe takes in one piece; one line where the first is longer.
fn whole_lines(text: &[u8]) -> &[u8] {
    let is_end = |byte: &u8| *byte == b'\n';
    let within = text.get(..IN_ONE_PIECE).map_or(Some(text.len()), |begin| Some(begin.iter().rposition(is_end)? + 1));
    let length = within.or_else(|| Some(text.iter().position(is_end)? + 1));
    &text[..length.unwrap_or(text.len())]
}

/// What was begun last.
#[derive(Debug, Default)]
pub(crate) struct Unfinished {
    begun: Option<Rest>,
}

impl Unfinished {
    /// What is to be written of this text: the rest where it is the one that was begun last. Where another one was begun and
    /// given up, its line ends first, so that it spoils no other.
    pub(crate) fn rest_of(&mut self, text: String) -> Rest {
        let rest = match self.begun.take() {
            Some(begun) if begun.is(&text) => begun,
            Some(cut) if cut.written.load(Ordering::Relaxed) > 0 => anew(format!("\n{text}")),
            _ => anew(text),
        };
        self.begun.insert(rest).clone()
    }

    /// All of it was written.
    pub(crate) fn is_finished(&mut self) {
        self.begun = None;
    }
}

fn anew(text: String) -> Rest {
    Rest { text: text.into(), written: Arc::default() }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::all_of_it("a 1\nb 2\n", 8)]
    #[case::without_an_end("a 1\nb", 5)]
    #[case::as_many_as_there_is_room_for(&"abc 123\n".repeat(1000), IN_ONE_PIECE)]
    #[case::none_in_parts(&"abcd 123\n".repeat(1000), IN_ONE_PIECE / 9 * 9)]
    #[case::a_long_one(&format!("{}\nb 2\n", "a".repeat(5000)), 5001)]
    #[case::a_long_one_without_an_end(&"a".repeat(5000), 5000)]
    #[case::nothing("", 0)]
    fn lines_are_written_in_one_piece(#[case] text: &str, #[case] expected: usize) {
        assert_eq!(whole_lines(text.as_bytes()).len(), expected);
    }

    /// Takes so many bytes in all.
    struct Small<'a>(&'a mut Vec<u8>, usize);

    impl Write for Small<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.1).min(3);
            if count == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.0.extend(&bytes[..count]);
            self.1 -= count;
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What stands there after texts were put there one after the other, each with so much room.
    fn written(puts: &[(&str, usize)]) -> String {
        let (mut there, mut unfinished) = (Vec::new(), Unfinished::default());
        for (text, room) in puts {
            if unfinished.rest_of((*text).to_owned()).write(Small(&mut there, *room)).is_ok() {
                unfinished.is_finished();
            }
        }
        String::from_utf8(there).unwrap()
    }

    #[test]
    fn a_text_that_is_tried_again_stands_there_once() {
        assert_eq!(written(&[("first 1\n", 9), ("second 2\n", 9)]), "first 1\nsecond 2\n");
        assert_eq!(written(&[("first 1\n", 4), ("first 1\n", 0), ("first 1\n", 9)]), "first 1\n");
        assert_eq!(written(&[("same\n", 9), ("same\n", 9)]), "same\nsame\n");
    }

    #[test]
    fn a_text_that_was_given_up_spoils_no_other() {
        assert_eq!(written(&[("first 1\n", 4), ("second 2\n", 99)]), "firs\nsecond 2\n");
        assert_eq!(written(&[("first 1\n", 4), ("second 2\n", 5), ("second 2\n", 9)]), "firs\nsecond 2\n");
        assert_eq!(written(&[("first 1\n", 0), ("second 2\n", 99)]), "second 2\n");
    }
}
