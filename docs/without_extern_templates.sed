# For Doxygen: explicit instantiations are no functions of their own.
/^extern template/ {
  :more
  /;/! { N; b more
  }
  d
}
