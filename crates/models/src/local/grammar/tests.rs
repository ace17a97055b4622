//! What is generated under a grammar, judged by a validator that shares no code with it. Tokens are drawn by chance from
//! what the grammar allows: a small vocabulary with many tokens that run over the edges of JSON stands for a model.

mod conversation;
mod docs;
mod generator;
mod keywords;
mod limits;
mod random;
mod sampler;
mod strings;
mod union;
mod validator;
mod weights;
