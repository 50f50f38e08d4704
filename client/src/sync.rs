//! The one lock of the credential gate: `parking_lot`'s, or the model checker's when its feature is on.

#[cfg(not(feature = "model-check"))]
pub(crate) use parking_lot::Mutex;

#[cfg(feature = "model-check")]
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(shuttle::sync::Mutex<T>);

#[cfg(feature = "model-check")]
impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> shuttle::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
