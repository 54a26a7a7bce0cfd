//! What the judge is held to: causes from numbers, scenarios in time, laws.

mod laws;
mod readings;
mod scenarios;
mod world;
