//! What is to be heard beside a call that succeeded.

use super::Request;
use crate::any_store::AnyStore;
use crate::error::RequestError;

impl Request {
    /// Whether [`Request::take_notice`] has to be asked: `false` where nothing is to be heard.
    #[must_use]
    #[inline]
    pub fn may_have_notice(&self) -> bool {
        self.notice.is_some() || !matches!(self.store, Some(AnyStore::Local(_)))
    }

    /// What failed beside a call that succeeded, or what a store on servers has to say: to be reported, once. Such a store may
    /// have found it out in this very request, which can be the only one of its process.
    pub fn take_notice(&mut self) -> Option<RequestError> {
        let store = self.store.as_ref().filter(|store| store.is_remote());
        let news = || store.and_then(|store| store.notice()).map(RequestError::Notice);
        self.notice.take().or_else(news)
    }
}
