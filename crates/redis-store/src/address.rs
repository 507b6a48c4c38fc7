//! Where the servers are and how to reach them: what a `session.save_path` address says.
