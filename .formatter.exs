[
  inputs: ["*.exs", "{lib,tests,examples}/**/*.{ex,exs}"],
  line_length: 110
]
