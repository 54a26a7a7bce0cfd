//! The door on real sockets, before the model-server double.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod conservation;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod harness;
#[cfg(test)]
mod leftover;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod matrix;
