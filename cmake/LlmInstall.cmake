# What `cmake --install` lays down, and the package that find_package(llm) finds.
# Components: library (headers, libllm.a, package files) and tools (llm-generate, llm-bench).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(llm_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/llm)

# As a file set the headers can also be compiled one by one, see tests/headers/CMakeLists.txt.
file(GLOB_RECURSE llm_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/llm/*.hpp)
target_sources(llm PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include
                          FILES ${llm_headers})

install(TARGETS llm EXPORT llmTargets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT library
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT library)
install(EXPORT llmTargets NAMESPACE llm:: DESTINATION ${llm_package_dir} COMPONENT library)

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/llmConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/llmConfig.cmake
                              INSTALL_DESTINATION ${llm_package_dir})
# Before 1.0 a new minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/llmConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/llmConfig.cmake ${PROJECT_BINARY_DIR}/llmConfigVersion.cmake
        DESTINATION ${llm_package_dir} COMPONENT library)
