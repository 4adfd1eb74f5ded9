//! HTTP from stream bytes: which protocol a connection speaks, and its messages.
//!
//! [`detect`] looks at content, never at port numbers. [`h1::Reader`] turns one direction of an HTTP/1
//! connection into heads, body bytes and ends, across any segmentation and around gaps. [`content`] is the
//! one place that decompresses, and it caps what comes out.

pub mod content;
pub mod detect;
pub mod h1;
pub mod head;
