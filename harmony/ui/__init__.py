"""The page: plain pictures, numbers and files in, HTML out; it holds no tensor."""
