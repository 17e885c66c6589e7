# What `cmake --install` and `cpack` make of the build: three components, three CMake export files, two pkg-config files.
#   program  the program; needs no LibTorch
#   float    the float module that the program opens for float networks
#   dev      headers, static libraries, CMake and pkg-config packages
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(SHRIKE_CMAKE_FOLDER ${CMAKE_INSTALL_LIBDIR}/cmake/shrike)
add_custom_target(shrike_install)  # builds all that is installed
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)  # and not the tests

# The runtime: shrike::runtime.
function(shrike_install_runtime)
  set_target_properties(shrike_runtime PROPERTIES EXPORT_NAME runtime)
  target_link_libraries(shrike_runtime INTERFACE m)  # which C++ programs get anyway, C programs do not
  install(TARGETS shrike_runtime EXPORT shrikeRuntimeTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/runtime/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT dev
    FILES_MATCHING PATTERN "*.h")
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/include/shrike/version.h
    DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/shrike COMPONENT dev)
  add_dependencies(shrike_install shrike_runtime)
endfunction()

# A library of the toolchain: shrike::NAME.
function(shrike_install_library name)
  set_target_properties(shrike_${name} PROPERTIES EXPORT_NAME ${name})
  install(TARGETS shrike_${name} EXPORT shrikeToolchainTargets
    ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT dev)
  set_property(GLOBAL APPEND PROPERTY SHRIKE_TOOLCHAIN_LIBRARIES shrike_${name})
  add_dependencies(shrike_install shrike_${name})
endfunction()

# The files that let others find all this, and the Debian packages.
function(shrike_install_packages)
  # Relative to the file, so that an installed tree can be moved.
  file(RELATIVE_PATH up /at/${CMAKE_INSTALL_LIBDIR}/pkgconfig /at)
  set(SHRIKE_PC_PREFIX "\${pcfiledir}/${up}")
  set(SHRIKE_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
  set(SHRIKE_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/shrikeConfig.cmake.in
    ${PROJECT_BINARY_DIR}/shrikeConfig.cmake INSTALL_DESTINATION ${SHRIKE_CMAKE_FOLDER})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/shrikeConfigVersion.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/shrikeConfig.cmake ${PROJECT_BINARY_DIR}/shrikeConfigVersion.cmake
    DESTINATION ${SHRIKE_CMAKE_FOLDER} COMPONENT dev)
  install(EXPORT shrikeRuntimeTargets NAMESPACE shrike:: DESTINATION ${SHRIKE_CMAKE_FOLDER} COMPONENT dev)
  set(pc_files shrike.pc)

  if(SHRIKE_TOOLCHAIN)
    install(EXPORT shrikeToolchainTargets NAMESPACE shrike:: DESTINATION ${SHRIKE_CMAKE_FOLDER} COMPONENT dev)
    # The headers of the module's inside need LibTorch and are of no use to others.
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/toolchain DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/shrike-toolchain
      COMPONENT dev FILES_MATCHING PATTERN "*.h" REGEX "engine/(torch|operators|guarded|module|cholesky)\\.h" EXCLUDE)
    # Linkers read archives once and in order: what uses comes before what is used.
    get_property(libraries GLOBAL PROPERTY SHRIKE_TOOLCHAIN_LIBRARIES)
    list(REVERSE libraries)
    set(SHRIKE_PC_TOOLCHAIN_LIBS "-Wl,--start-group")
    foreach(library ${libraries})
      string(APPEND SHRIKE_PC_TOOLCHAIN_LIBS " -l${library}")
    endforeach()
    string(APPEND SHRIKE_PC_TOOLCHAIN_LIBS
      " -lshrike_runtime -Wl,--end-group -lonnx_proto -lprotobuf -lyaml-cpp -ljpeg -lpng -lz -lfmt -ldl -lpthread")
    if(Freetype_FOUND)
      string(APPEND SHRIKE_PC_TOOLCHAIN_LIBS " -lfreetype")
    endif()
    list(APPEND pc_files shrike-toolchain.pc)

    shrike_build_component()
    add_dependencies(shrike shrike_component)
    install(TARGETS shrike RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR} COMPONENT program)
    # The page in the browser, where `make web` has built it.
    install(FILES ${PROJECT_SOURCE_DIR}/build/web/shrike.html DESTINATION ${CMAKE_INSTALL_DATADIR}/shrike
      COMPONENT program OPTIONAL)
    add_dependencies(shrike_install shrike)
    shrike_build_documents()
    if(TARGET shrike_float)
      # Where the program looks, whatever the name of the library folder: ../lib/shrike seen from bin.
      install(TARGETS shrike_float LIBRARY DESTINATION lib/shrike COMPONENT float)
      add_dependencies(shrike_install shrike_float)
    endif()
  endif()

  foreach(file ${pc_files})
    configure_file(${PROJECT_SOURCE_DIR}/cmake/${file}.in ${PROJECT_BINARY_DIR}/${file} @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/${file} DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT dev)
  endforeach()
  if(PROJECT_IS_TOP_LEVEL)
    include(${PROJECT_SOURCE_DIR}/cmake/package.cmake)
  endif()
endfunction()

# Manual page and completion, printed by the program from what its commands declare.
function(shrike_build_documents)
  set(page ${PROJECT_BINARY_DIR}/share/man/man1/shrike.1)
  set(completion ${PROJECT_BINARY_DIR}/share/bash-completion/completions/shrike)
  file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/share/man/man1 ${PROJECT_BINARY_DIR}/share/bash-completion/completions)
  add_custom_command(OUTPUT ${page} ${completion}
    COMMAND shrike --manual-page > ${page}
    COMMAND shrike --bash-completion > ${completion}
    DEPENDS shrike COMMENT "Printing the manual page and the completion" VERBATIM)
  add_custom_target(shrike_documents ALL DEPENDS ${page} ${completion})
  add_dependencies(shrike_install shrike_documents)
  install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 COMPONENT program)
  install(FILES ${completion} DESTINATION share/bash-completion/completions COMPONENT program)
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program RENAME copyright)
endfunction()

# The ESP-IDF component, beside the program as in an installation: `shrike project` takes files from it.
function(shrike_build_component)
  set(folder ${PROJECT_BINARY_DIR}/share/shrike/component/shrike)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/firmware/esp-idf/shrike/*
    ${PROJECT_SOURCE_DIR}/runtime/*.h ${PROJECT_SOURCE_DIR}/runtime/*.cpp ${PROJECT_SOURCE_DIR}/runtime/*.in)
  add_custom_command(OUTPUT ${folder}/idf_component.yml
    COMMAND ${CMAKE_COMMAND} -D SOURCE=${PROJECT_SOURCE_DIR} -D VERSION=${PROJECT_VERSION}
      -D PROJECT_HOMEPAGE_URL=${PROJECT_HOMEPAGE_URL} -D FOLDER=${folder} -P ${PROJECT_SOURCE_DIR}/cmake/component.cmake
    COMMAND ${CMAKE_COMMAND} -E touch ${folder}/idf_component.yml
    DEPENDS ${sources} ${PROJECT_SOURCE_DIR}/cmake/component.cmake
    COMMENT "Assembling the ESP-IDF component")
  add_custom_target(shrike_component DEPENDS ${folder}/idf_component.yml)
  add_dependencies(shrike_install shrike_component)
  install(DIRECTORY ${folder} DESTINATION share/shrike/component COMPONENT program)
endfunction()
