//! Golden cases, re-chunking, refusals: the crate from outside.

#[cfg(test)]
mod dialects;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod lifecycle;
#[cfg(test)]
mod rechunk;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod support;
