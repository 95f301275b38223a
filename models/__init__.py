"""What is learned: features of a course, F and Mf predictors, the policy, and the release that holds them."""
