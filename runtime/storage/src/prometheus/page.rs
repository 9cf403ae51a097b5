//! What is answered: the batches of one tick, in each form that somebody has asked for.

use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use tokio::sync::OnceCell;
use wca_model::{Batch, exposition, openmetrics};

use super::negotiate::Format;

/// The batches of one tick. Each form is made when it is first asked for, and once, however many ask.
pub(super) struct Page {
    batches: Vec<Batch>,
    forms: [OnceCell<Bytes>; 4],
}

impl Page {
    pub(super) fn new(batches: Vec<Batch>) -> Self {
        Self { batches, forms: Default::default() }
    }

    /// Its bytes in this form; none where the agent ends meanwhile.
    pub(super) async fn bytes(self: Arc<Self>, format: Format, gzip: bool) -> Option<Bytes> {
        let at = usize::from(format == Format::OpenMetrics) * 2 + usize::from(gzip);
        let page = Arc::clone(&self);
        // On a thread of its own: the threads that call policies must not wait for it.
        let make = || async { tokio::task::spawn_blocking(move || page.made(format, gzip)).await };
        self.forms[at].get_or_try_init(make).await.ok().cloned()
    }

    fn made(&self, format: Format, gzip: bool) -> Bytes {
        let text = self.text(format);
        if !gzip {
            return text.into();
        }
        let mut encoder = GzEncoder::new(Vec::with_capacity(text.len() / 8), Compression::fast());
        // Into memory, which takes everything.
        let _ = encoder.write_all(text.as_bytes());
        encoder.finish().unwrap_or_default().into()
    }

    fn text(&self, format: Format) -> String {
        let families = exposition::merged(self.batches.iter().flat_map(Batch::text_families).collect());
        let mut text = String::new();
        match format {
            Format::Text => exposition::write_families(&mut text, &families),
            Format::OpenMetrics => openmetrics::write_families(&mut text, &families),
        }
        text
    }
}

/// The page that is shown.
#[derive(Default)]
pub(super) struct Pages {
    last: Mutex<Option<Arc<Page>>>,
}

impl Pages {
    /// Shows this one from now on.
    pub(super) fn show(&self, page: Page) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(page));
    }

    /// The one that is shown; none before the first.
    pub(super) fn last(&self) -> Option<Arc<Page>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;
    use wca_model::{Lane, Stream};

    use super::*;
    use crate::testing::{batch, sample};

    async fn text(page: &Arc<Page>, format: Format) -> String {
        let plain = Arc::clone(page).bytes(format, false).await.unwrap();
        let packed = Arc::clone(page).bytes(format, true).await.unwrap();
        let mut unpacked = String::new();
        GzDecoder::new(&*packed).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked.as_bytes(), plain);
        unpacked
    }

    #[tokio::test]
    async fn batches_of_one_tick_are_one_page_in_each_form() {
        let anomalies = batch(1.0, vec![sample("x", &[("a", "2")], 2.0)]).on(Lane::from(Stream::Anomalies));
        let page = Arc::new(Page::new(vec![batch(1.0, vec![sample("x", &[("a", "1")], 1.0)]), anomalies]));
        let tasks = "task_up{host=\"vm\",task_id=\"a\",task_name=\"a\"} 1\ntask_up{host=\"vm\",task_id=\"b\",task_name=\"b\"} 1\n";
        let x = "x{a=\"1\",host=\"vm\"} 1\nx{a=\"2\",host=\"vm\"} 2\n";
        assert_eq!(
            text(&page, Format::Text).await,
            format!("# HELP task_up Up.\n# TYPE task_up counter\n{tasks}\n# TYPE x gauge\n{x}")
        );
        assert_eq!(
            text(&page, Format::OpenMetrics).await,
            format!("# TYPE task_up unknown\n# HELP task_up Up.\n{tasks}# TYPE x gauge\n{x}# EOF\n")
        );
    }

    #[tokio::test]
    async fn a_form_is_made_once() {
        let page = Arc::new(Page::new(vec![batch(1.0, vec![])]));
        let first = Arc::clone(&page).bytes(Format::Text, false).await.unwrap();
        let again = page.bytes(Format::Text, false).await.unwrap();
        assert_eq!(first.as_ptr(), again.as_ptr());
    }
}
