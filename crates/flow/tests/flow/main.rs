//! The shipped flows, run as whole calls against a scripted world, and the linter on what admins may write.
mod calls;
mod failures;
mod line;
mod linter;
mod random;
mod secrets;
mod shipped;
mod voice;
mod world;
