# What every target of ours is compiled with.
function(llm_target target)
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Wconversion
                         # GCC 12 sees overlaps in every "literal" + std::string (its bug 105651).
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
                         # One rounding per operation, as written: results must not depend on the compiler.
                         -ffp-contract=off)
  if(LLM_WERROR)
    target_compile_options(${target} PRIVATE -Werror)
  endif()
  if(LLM_SANITIZE)
    target_compile_options(${target} PRIVATE -fsanitize=${LLM_SANITIZE} -fno-omit-frame-pointer
                           -fno-sanitize-recover=all)
    target_link_options(${target} PRIVATE -fsanitize=${LLM_SANITIZE})
  endif()
endfunction()

# Most of compiling is reading headers and instantiating their templates: `sources` of them share it.
function(llm_share_headers target sources)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ${LLM_UNITY_BUILD} UNITY_BUILD_BATCH_SIZE ${sources})
  if(LLM_UNITY_BUILD)  # types in unnamed namespaces are then seen as if they came from headers
    target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  endif()
endfunction()
