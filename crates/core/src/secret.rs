//! Secrets that cannot be printed: no `Display`, no `Serialize`, a `Debug`
//! that says only that there is one, and zeroed memory on drop.

use std::fmt;

use zeroize::{Zeroize, Zeroizing};

/// A value that must not appear in a log, an error or a page.
pub struct Secret<T: Zeroize>(Zeroizing<T>);

/// A secret text, such as an upstream's API key.
pub type SecretString = Secret<String>;

impl<T: Zeroize> Secret<T> {
    /// Takes charge of `value`.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself. Every call site is a place to review.
    #[must_use]
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize + Clone> Clone for Secret<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_value() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".to_owned())), "[secret]");
    }
}
