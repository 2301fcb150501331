//! The live model: read by every request, replaced whole.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::model::LoadedModel;

/// Holds the live model version; none until the first has been loaded.
///
/// A request takes the model once and keeps it to its end, so a swap never mixes two versions in one answer.
#[derive(Debug, Default)]
pub struct ModelRegistry {
    live: ArcSwapOption<LoadedModel>,
}

impl ModelRegistry {
    /// The live model, if one has been loaded.
    #[must_use]
    pub fn live(&self) -> Option<Arc<LoadedModel>> {
        self.live.load_full()
    }

    /// Makes `model` the live one for every request that begins from now on.
    pub fn make_live(&self, model: LoadedModel) {
        self.live.store(Some(Arc::new(model)));
    }
}
