//! Every model on the same work: the lab, its peers and its benches.
